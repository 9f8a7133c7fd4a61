"""Benches: interleaved measurements of Showdown's own parts, as ratios with intervals. ``make bench-…`` runs them.

They are not tests and have no time limits, because their results depend on the host. Each prints a table for people
and, as its last line, one JSON object for programs. As a part of the tests they may import every package.
"""
