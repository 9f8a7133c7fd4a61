"""The shared vocabulary of Showdown as typed values.

Coordinator and worker hosts exchange these types. Neither side may import the other, so the types live here.
This package is pure: it does no I/O and imports only pydantic and numpy.
"""
