"""Benches: measurements of Showdown's own parts, interleaved, as ratios with intervals. ``make bench-…`` runs them.

They are no tests and have no threshold of time: what they say depends on the machine. Each prints a table for people
and, as its last line, one JSON object for programs. Being part of the tests, they may use every room.
"""
