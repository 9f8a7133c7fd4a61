"""SYN cookies of the server's kernel: it answers SYNs for which its queue has no room without remembering them."""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import defending
from workers.lab.lab import Lab


class SynCookies(Datapath):
    """As hosts have it by default: the kernel sends cookies only while a listener's queue is full."""

    name = "syn_cookies"
    function = "defend"
    summary = "SYN cookies of the server's kernel, sent while its queue of half-open connections is full."
    requires = ()
    accounts_for_floods = True

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return defending.in_server(self.name, lab, stack, "1")
