"""``make bench-truth``: is what Showdown prints true? Causes of known size, and what its own analysis finds of them.

Each part puts a cause into real or simulated campaigns and reads the effect from the product's report:

* ``burner``: a tc program that burns a known time per packet,
* ``origins``: an origin of known capacity, and one that answers after a known delay,
* ``equal``: equal datapaths, simulated and real: no word may call one of them faster,
* ``power``: the difference that the reference design finds in four of five campaigns,
* ``resolution``: the smallest ratio distinguished from 1 in 5 minutes, beside as long of sequential runs.

A row that was not found says so; only wrong code ends the bench with an error.
"""
