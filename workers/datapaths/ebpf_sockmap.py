"""The relay of ``splice_proxy`` opens and closes connections; between, an sk_skb program splices them in the kernel.

A kworker redirects data to the other socket. There is no backpressure: the kernel queues what a slow reader does not
read, without bound. If a peer has closed its side before the relay could add the sockets to the maps, the relay splices
that connection itself. Its bytes do not count here. Without its map entries a connection stalls: it fails closed.
"""

from contextlib import ExitStack
from dataclasses import dataclass

from bpf.enums import AttachType, ProgramType
from bpf.instance import Instance
from bpf.loader import BpfError
from bpf.sockmap import attach_to_map, is_attached
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import relay, steering
from workers.datapaths.lib.programs import Compiled
from workers.datapaths.lib.proxied import Proxied, SteeringCounters
from workers.lab import dut, nft
from workers.lab.lab import Lab

_VERDICT = AttachType.SK_SKB_STREAM_VERDICT


class EbpfSockmap(Datapath):
    """One program and two maps of sockets per lab; compiled once per worker process."""

    name = "ebpf_sockmap"
    function = "splice"
    summary = "The same relay accepts and connects; an sk_skb program splices its sockets in the kernel."
    requires = (
        "bcc",
        "kernel_headers",
        "program.nft",
        "program.showdown-relay",
        "nft.tproxy",
        "nft.socket",
        "bpf.sk_skb",
    )

    def __init__(self) -> None:
        self._modules = Compiled(self.name)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        path = stack.enter_context(dut.closed_path(lab))
        programs = self._load(stack, lab)
        maps = relay.SocketMaps(programs.map_fd("targets"), programs.map_fd("verdict"))
        splicer = stack.enter_context(relay.running(lab, maps))
        stack.enter_context(dut.local_delivery(lab))
        stack.enter_context(nft.table(lab, steering.tproxy_rules(lab)))
        spliced = Spliced(splicer, programs)
        return Proxied(self.name, spliced, path, lambda: _crossed(lab, spliced))

    def _load(self, stack: ExitStack, lab: Lab) -> Instance:
        maps = ["config", "counts", "targets", "verdict"]
        programs = stack.enter_context(Instance(self._modules.of(lab), ["splice"], maps, ProgramType.SK_SKB))
        programs.write("config", 0, port=lab.origin_port)
        attach_to_map(programs.programs["splice"], programs.map_fd("verdict"), _VERDICT)
        return programs


@dataclass(frozen=True)
class Spliced:
    """The relay, whose bytes the kernel moves. Bytes that the relay moved itself do not prove this datapath."""

    relay: relay.Relay
    programs: Instance

    def connections_and_bytes(self) -> tuple[int, int]:
        """Connections accepted, and bytes that the program redirected to clients. Raises ``ProxyError``."""
        connections, _ = self.relay.connections_and_bytes()
        _, _, _, to_client, _ = self.programs.per_cpu_sums("counts")
        return connections, to_client

    def strayed(self) -> int:
        """Segments dropped because their socket had no peer in the map. Raises ``BpfError`` if the program is gone."""
        if not is_attached(self.programs.map_fd("verdict"), _VERDICT):
            raise BpfError("the program was detached from its map")
        return self.programs.per_cpu_sums("counts")[-1]


def _crossed(lab: Lab, spliced: Spliced) -> SteeringCounters:
    seen = steering.tproxy_crossed(lab)
    return SteeringCounters(seen.steered, leaked=seen.leaked, dropped=seen.dropped + spliced.strayed())
