"""Small HTTP/2 requests over TLS."""

from workers.workloads._h2load import H2loadWorkload


class H2(H2loadWorkload):
    """The requests of ``https_keepalive`` over HTTP/2, one stream at a time per connection, for comparison."""

    name = "h2"
    summary = "HTTP/2 GET over TLS, one stream per connection: closed loops, open ones with a handshake each."
    service = "h2"
    options = ("--npn-list=h2",)
