"""nftables TPROXY to nginx: the same steering as ``tproxy``, with another proxy."""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import nginx_stream, steering
from workers.lab.lab import Lab


class TproxyNginx(Datapath):
    """nft ``tproxy`` towards the origin, ``socket transparent`` back."""

    name = "tproxy_nginx"
    function = "steer"
    summary = "nftables TPROXY to nginx's stream module, which keeps the client's address."
    requires = ("program.nft", "program.nginx", "nginx.stream", "nft.tproxy", "nft.socket")

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return steering.attach_tproxy(self.name, lab, stack, nginx_stream.running(lab))
