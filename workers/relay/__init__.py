"""The project's TCP relay. It moves bytes with splice(2), or lets the kernel move them if it is given socket maps."""
