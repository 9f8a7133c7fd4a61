"""``make test``: the whole suite in parts (parts.py), and several runs of it in a row (repeat.py)."""
