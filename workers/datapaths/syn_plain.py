"""No defence against floods of SYNs: the server's queue of half-open connections fills, and its kernel drops SYNs."""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import defending
from workers.lab.lab import Lab


class SynPlain(Datapath):
    """The control: SYN cookies are off in the server's namespace."""

    name = "syn_plain"
    function = "defend"
    summary = "No defence: a server without SYN cookies, whose queue of half-open connections fills."
    requires = ()
    accounts_for_floods = True

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return defending.in_server(self.name, lab, stack, "0")
