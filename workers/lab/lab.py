"""The lab: the namespaces of one datapath in a block, client — dut — server, with their devices and processes.

All labs of a block exist at the same time. Every lab is dual-stack; its traffic uses one IP version. An idle lab uses
no CPU and sends nothing, because neighbour entries are permanent and devices are silent (sysctls.SILENT). Names derive
from tag and position. Everything is registered before it is made (workers/lab/cleanup.py).
"""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType

from pyroute2 import IPRoute

from domain.hosts.environment import program_environment
from domain.values.texts import error_text
from probes.base import LabView
from workers.lab import affinity, cleanup, clients, endpoints, netns, offloads, proc_net, sysctls, vlans
from workers.lab.addresses import Addresses
from workers.lab.cleanup import RUN_ROOT, CleanupRegister
from workers.lab.endpoints import Client, ClientEndpoint
from workers.lab.process import Process
from workers.lab.spec import LabSpec

ROLES = ("client", "dut", "server")
DEVICES = {"client": "client", "dut_client": "dut", "dut_server": "dut", "server": "server"}
"""Each device's role, and the role of its namespace."""
_PEERS = {"client": "dut_client", "dut_client": "client", "dut_server": "server", "server": "dut_server"}


class LabError(RuntimeError):
    """A lab could not be built, or a program in it could not be started."""


class Lab:
    """One lab. Its attributes are known before it is built by :func:`built`."""

    origin_port = 80

    def __init__(self, spec: LabSpec, register: CleanupRegister) -> None:
        self.spec = spec
        self.label = spec.label
        stem = f"{spec.position}{spec.label.replace('#', '-')}"
        self.client_ns, self.dut_ns, self.server_ns = (f"sd-{spec.tag}-{stem}-{role}" for role in ROLES)
        device = f"sd{spec.tag}{spec.position}"
        self.devices: Mapping[str, str] = MappingProxyType(
            {"client": f"{device}c", "dut_client": f"{device}dc", "dut_server": f"{device}ds", "server": f"{device}s"}
        )
        # Of both IP versions. The attributes below are those of the traffic's version.
        self.addresses = spec.addresses
        ours = self.addresses[spec.ip_version]
        self.client_address, self.server_address = ours.client, ours.server
        self.dut_client_address, self.dut_server_address = ours.dut_client, ours.dut_server
        self.origin_addresses, self.virtual_address, self.client_network = (
            ours.origins,
            ours.virtual,
            ours.client_network,
        )
        self.source_addresses = ours.sources
        own = self.client_address if spec.sources == 1 else ours.sources[0]
        self.client_endpoint = ClientEndpoint(self.client_ns, self.server_address, self.origin_port, own)
        self.clients: tuple[Client, ...] = endpoints.make_clients(self.client_ns, ours.clients)
        self.run_dir = RUN_ROOT / f"{spec.tag}-{stem}"
        self._client_offloads: list[dict[str, bool]] = []
        self.notes: list[str] = []  # for readers of the lab's figures
        self.processes: list[Process] = []
        self._register = register
        self._indexes: dict[str, int] = {}
        self._server_devices = -1

    def netns_of(self, role: str) -> str:
        """The name of the namespace ``client``, ``dut`` or ``server``; a namespace's name is returned as it is."""
        names = {"client": self.client_ns, "dut": self.dut_ns, "server": self.server_ns}
        return role if role in self.namespaces else names[role]

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The names of all namespaces of the lab: those of the roles, then those of several clients."""
        ours = (self.client_ns, self.dut_ns, self.server_ns, *(client.netns for client in self.clients))
        return tuple(dict.fromkeys(ours))

    @property
    def client_network_plan(self) -> clients.ClientNetwork:
        """The plan from which several clients are built."""
        return clients.ClientNetwork(
            tag=self.spec.tag,
            position=self.spec.position,
            dut_ns=self.dut_ns,
            router_ns=self.client_ns,
            clients=self.clients,
            addresses=self.addresses,
            offloads=self.wanted_offloads,
            link=self.spec.link_settings,
        )

    @property
    def client_endpoints(self) -> tuple[ClientEndpoint, ...]:
        """The endpoint of each client."""
        return endpoints.client_endpoints_of(self.client_endpoint, self.client_address, self.clients)

    @property
    def answering(self) -> tuple[str, ...]:
        """The addresses on which the origin answers: all if the client connects to the virtual one, or needs them."""
        balanced = self.client_endpoint.all_origins or self.client_endpoint.address == self.virtual_address
        return self.origin_addresses if balanced else (self.server_address,)

    def ifindex(self, role: str) -> int:
        """The interface index of a device, by role, within its namespace."""
        return self._indexes[role]

    def mac(self, role: str) -> str:
        """The device's Ethernet address: locally administered, the same in every lab of a position."""
        return f"02:5d:00:00:{self.spec.position:02x}:{tuple(DEVICES).index(role):02x}"

    @property
    def wanted_offloads(self) -> dict[str, bool]:
        """The offloads that every device of the lab is set to."""
        return offloads.DEFAULTS | self.spec.changed_offloads

    @property
    def offloads(self) -> dict[str, bool]:
        """The offloads as the kernel has them now; on only if every device of the lab has it on."""
        read = [partial(offloads.set_offloads, self.spec.wire(self.devices[device]), {}) for device in DEVICES]
        found = [netns.call_in(self.netns_of(place), one) for place, one in zip(DEVICES.values(), read, strict=True)]
        return {name: all(one[name] for one in (*found, *self._client_offloads)) for name in offloads.DEFAULTS}

    def view(self) -> LabView:
        """What probes need to know of the lab; its tasks are the present ones."""
        tasks: dict[str, tuple[int, ...]] = {"proxy": (), "origin": ()}
        for process in self.processes:
            if process.task_role:
                tasks[process.task_role] = tasks.get(process.task_role, ()) + process.tasks()
        return LabView(
            label=self.label,
            devices={role: (self._indexes[role], name) for role, name in self.devices.items()},
            netns={role: netns.inode(self.netns_of(role)) for role in ROLES},
            tasks=tasks,
            packets=self.packets,
            ip_version=self.spec.ip_version,
        )

    def packets(self) -> int:
        """Packets through the server's device so far, in both directions. Takes tens of microseconds.

        It is the server's device, because a client may be on the DUT itself.
        """
        devices = proc_net.device_packets(os.pread(self._server_devices, 65536, 0).decode())
        if (found := devices.get(self.devices["server"])) is None:
            raise LabError(f"{self.devices['server']} is gone")
        return found.received + found.sent

    def spawn(
        self,
        role_ns: str,
        argv: Sequence[str],
        *,
        task_role: str | None,
        fds: Sequence[int] = (),
        keeping: Sequence[str] | None = None,
    ) -> Process:
        """Start a program in the namespace ``client``, ``dut`` or ``server``; it stops with the lab at the latest.

        It dies with the calling thread (PDEATHSIG). It inherits only the descriptors ``fds``, with the same numbers,
        and nothing of the environment. ``keeping``: see :func:`workers.lab.netns.entry`.
        Raises :class:`LabError` if it cannot be started.
        """
        log = self.run_dir / f"{Path(argv[0]).name}-{len(list(self.run_dir.glob('*.log')))}.log"
        entry = netns.entry(self.netns_of(role_ns), argv, affinity.bound(self.spec, role_ns, task_role), keeping)
        try:
            with log.open("wb") as output:
                popen = subprocess.Popen(
                    entry,
                    env=program_environment(os.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self.run_dir,
                    start_new_session=True,
                    pass_fds=fds,
                )
        except OSError as error:
            raise LabError(f"{argv[0]} could not be started: {error_text(error)}") from error
        process = Process(popen, argv, log, task_role)
        self.processes.append(process)
        self._register.add_process(self.spec.tag, process.pid)
        return process

    def stop(self, process: Process) -> None:
        """Stop a program that :meth:`spawn` started, before the lab ends."""
        process.stop()
        if process in self.processes:
            self.processes.remove(process)
            self._register.forget_process(self.spec.tag, process.pid)

    def _build(self, stack: ExitStack) -> None:
        if self.spec.ip_version not in sysctls.versions():
            raise OSError(f"this kernel has no IPv{self.spec.ip_version}")
        stack.callback(self._remove_run_dir)
        self._register.add_run_dir(self.spec.tag, self.run_dir.name)
        self.run_dir.mkdir(mode=0o700, parents=True)
        for name in self.namespaces:
            stack.callback(self._remove_netns, name)
            self._register.add_netns(self.spec.tag, name)
            netns.create(name)
            netns.call_in(name, sysctls.set_all)
        stack.callback(self._stop_processes)
        netns.call_in(self.dut_ns, self._build_links)
        for role in ROLES:
            netns.call_in(self.netns_of(role), lambda role=role: self._configure(role))  # type: ignore[misc]
        if max(self.spec.clients, self.spec.sources) > 1:
            self._client_offloads += clients.build(self.client_network_plan)
        self._server_devices = netns.open_in(self.server_ns, "dev")
        stack.callback(os.close, self._server_devices)

    def _build_links(self) -> None:
        for near, far in (("dut_client", "client"), ("dut_server", "server")):
            fd = os.open(netns.path(self.netns_of(far)), os.O_RDONLY)
            try:
                with IPRoute() as ip:
                    ip.link(
                        "add",
                        ifname=self.spec.wire(self.devices[near]),
                        kind="veth",
                        address=self.mac(near),
                        # One queue each, because kernels differ in their default.
                        num_tx_queues=1,
                        num_rx_queues=1,
                        peer={
                            "ifname": self.spec.wire(self.devices[far]),
                            "net_ns_fd": fd,
                            "address": self.mac(far),
                            "num_tx_queues": 1,
                            "num_rx_queues": 1,
                        },
                    )
            finally:
                os.close(fd)

    def _configure(self, role: str) -> None:
        with IPRoute() as ip:
            ip.link("set", index=1, state="up")
            for device, place in DEVICES.items():
                if place != role:
                    continue
                if self.spec.vlan:
                    vlans.add(ip, self.devices[device], self.mac(device), self.spec)
                index = self._indexes[device] = ip.link_lookup(ifname=self.devices[device])[0]
                # Before it gets an address, because IPv6 adds no route for a device that is down.
                ip.link("set", index=index, **sysctls.SILENT, **self.spec.link_settings)
                for version in sysctls.versions():
                    self._address(ip, device, index, self.addresses[version])
                offloads.set_offloads(self.spec.wire(self.devices[device]), self.wanted_offloads)
        if role == "dut":
            # Early demultiplexing would find a proxy's established connections even after its rules are gone. It also
            # costs forwarded packets a socket lookup. So it is off for all datapaths and both IP versions.
            sysctls.set_forwarding(on=True)
            netns.write_sysctls({"net/ipv4/tcp_early_demux": "0"})

    def _address(self, ip: IPRoute, device: str, index: int, addresses: Addresses) -> None:
        peer = _PEERS[device]
        ours = addresses.origins if device == "server" else (addresses.devices[device],)
        theirs = addresses.origins if peer == "server" else (addresses.devices[peer],)
        for address in ours:
            flags = sysctls.NODAD[addresses.version]
            ip.addr("add", index=index, address=address, prefixlen=addresses.link_bits, **flags)
        for address in theirs if device == "dut_server" else theirs[:1]:
            ip.neigh("add", dst=address, lladdr=self.mac(peer), ifindex=index, state=sysctls.NUD_PERMANENT)
        if DEVICES[device] != "dut":
            own = clients.add_sources(ip, index, addresses) if device == "client" else {}
            ip.route("add", dst=addresses.everything, gateway=theirs[0], **own)

    def _stop_processes(self) -> None:
        for process in reversed(self.processes.copy()):
            self.stop(process)

    def _remove_netns(self, name: str) -> None:
        cleanup.remove_netns(name)
        self._register.forget_netns(self.spec.tag, name)

    def _remove_run_dir(self) -> None:
        cleanup.remove_run_dir(self.run_dir.name)
        self._register.forget_run_dir(self.spec.tag, self.run_dir.name)


@contextmanager
def built(spec: LabSpec, register: CleanupRegister) -> Iterator[Lab]:
    """Build a lab; leaving the context removes it and everything in it.

    Raises :class:`LabError`, and leaves nothing behind.
    """
    lab = Lab(spec, register)
    with ExitStack() as stack:
        try:
            lab._build(stack)
        except Exception as error:  # OSError, or one of pyroute2's own
            raise LabError(f"lab {spec.tag}-{spec.position}{spec.label}: {error_text(error)}") from error
        yield lab
