"""One file per datapath, discovered; ``base`` is their contract, ``lib`` what several of them share."""
