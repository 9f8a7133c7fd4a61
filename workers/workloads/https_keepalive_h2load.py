"""The requests of https_keepalive, made by h2load: a cross-check of showdown-traffic."""

from workers.workloads._h2load import H2loadWorkload


class HttpsKeepaliveH2load(H2loadWorkload):
    """``https_keepalive``; open loops have a connection and a handshake for each request."""

    name = "https_keepalive_h2load"
    summary = "https_keepalive as h2load makes it: a cross-check of the generator."
    service = "https"
    options = ("--h1",)
