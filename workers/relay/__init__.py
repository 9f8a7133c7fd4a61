"""The project's relay of connections, and of datagrams.

It moves bytes with splice(2), or lets the kernel move them if it is given socket maps.
"""
