"""The project's own relay: bytes through splice(2), or, given socket maps, through the kernel alone."""
