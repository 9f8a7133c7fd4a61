"""The words of Showdown as typed values.

Coordinator and worker hosts exchange these types, and neither may import the other, so the words live here.
Admission: pure, no I/O, used by two packages. Imports pydantic and hdrhistogram only.
"""
