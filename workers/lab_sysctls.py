"""The settings of every namespace of a lab."""

from pathlib import Path

from workers import netns

# Set before any device comes, which inherits ``default``; a new namespace may start with the host's own values.
_EVERYWHERE = {
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/ip_local_port_range": "1024 65535",
    "net/ipv4/tcp_tw_reuse": "1",
    "net/ipv4/tcp_max_syn_backlog": "65535",
    "net/core/somaxconn": "65535",
    # A slice must not start from what an earlier one taught the kernel about the path.
    "net/ipv4/tcp_no_metrics_save": "1",
}
_NO_IPV6 = {"net/ipv6/conf/all/disable_ipv6": "1", "net/ipv6/conf/default/disable_ipv6": "1"}


def set_all() -> None:
    """Set them in the calling thread's namespace. Raises ``OSError`` where the kernel has one not."""
    netns.write_sysctls(_EVERYWHERE)
    if Path("/proc/sys/net/ipv6").is_dir():
        netns.write_sysctls(_NO_IPV6)
