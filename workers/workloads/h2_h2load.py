"""The requests of h2, made by h2load: a cross-check of showdown-traffic, one stream at a time per connection."""

from workers.workloads._h2load import H2loadWorkload


class H2H2load(H2loadWorkload):
    """``h2`` with one stream; each slice opens new connections."""

    name = "h2_h2load"
    summary = "h2 as h2load makes it, one stream per connection: a cross-check of the generator."
    service = "h2"
    options = ("--npn-list=h2",)
