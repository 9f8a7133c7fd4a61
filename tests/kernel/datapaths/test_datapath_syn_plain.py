"""The datapath syn_plain broken on purpose; its other tests are those of test_datapath_defend."""

from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import PART_GONE, PART_GONE_FIRST, Defence, Facts, Fault, Faults, Target
from tests.kernel.datapaths.test_datapath_direct import stop_routing
from workers.lab import netns


def change_setting(target: Target) -> None:
    """Another program changes what the server does with SYNs."""
    netns.run_in(target.lab.server_ns, ["sysctl", "-qw", "net.ipv4.tcp_syncookies=1"])


FAULTS: Faults = {
    PART_GONE_FIRST: Fault(stop_routing, Reason.NO_REQUESTS),
    PART_GONE: Fault(change_setting, Reason.DATAPATH_FAILED),
}
FACTS = Facts(names_devices=False, routes=True, defence=Defence(wrong_setting="net.ipv4.tcp_syncookies=1"))
