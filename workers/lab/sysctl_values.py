"""What a lab's namespaces are set to, whatever the host has set.

A new namespace takes over the host's IPv4 ``conf/all`` and ``conf/default``, and with net.core.devconf_inherit_init_net
those of IPv6 too. VPN software, container engines and hardening guides change them: with ``src_valid_mark``, every
packet that TPROXY steers would be dropped, without a counter. So each of them has a value here, the kernel's default
unless a comment says why not. Settings that only the namespace itself could have changed are not here.

TCP's buffer sizes and congestion control are taken over as well. They are the host's tuning, which a campaign is to
measure: the fingerprint has them.
"""

from collections.abc import Mapping

IPV4_CONF: Mapping[str, str] = {
    "forwarding": "0",  # first, because the kernel changes accept_redirects with it
    "accept_local": "0",
    "accept_redirects": "0",  # no packet may change a lab's routes
    "accept_source_route": "0",
    "arp_accept": "0",
    "arp_announce": "0",
    "arp_evict_nocarrier": "1",
    "arp_filter": "0",
    "arp_ignore": "0",
    "arp_notify": "0",
    "bc_forwarding": "0",
    "bootp_relay": "0",
    "disable_policy": "0",
    "disable_xfrm": "0",
    "drop_gratuitous_arp": "0",
    "drop_unicast_in_l2_multicast": "0",
    "force_igmp_version": "0",
    "igmpv2_unsolicited_report_interval": "10000",
    "igmpv3_unsolicited_report_interval": "1000",
    "ignore_routes_with_linkdown": "0",
    "log_martians": "0",
    "medium_id": "0",
    "promote_secondaries": "0",
    "proxy_arp": "0",
    "proxy_arp_pvlan": "0",
    "route_localnet": "0",
    "rp_filter": "0",  # packets of a steering datapath arrive with the client's address where no route leads back
    "secure_redirects": "1",
    "send_redirects": "0",  # an idle lab sends nothing
    "shared_media": "1",
    "src_valid_mark": "0",  # the mark of steered packets must not take part in the check of their source
    "tag": "0",
}
IPV4_LOOPBACK: Mapping[str, str] = {**IPV4_CONF, "disable_policy": "1", "disable_xfrm": "1"}
"""The kernel exempts the loopback device from IPsec."""

IPV6_CONF: Mapping[str, str] = {
    "forwarding": "0",
    "force_forwarding": "0",
    "disable_ipv6": "0",
    "accept_dad": "0",  # an address is usable at once
    "accept_ra": "0",  # no addresses but those of the lab …
    "autoconf": "0",
    "addr_gen_mode": "1",  # … and no link-local ones (IN6_ADDR_GEN_MODE_NONE)
    "accept_redirects": "0",
    "accept_source_route": "0",
    "accept_untracked_na": "0",
    "dad_transmits": "0",
    "disable_policy": "0",
    "drop_unicast_in_l2_multicast": "0",
    "drop_unsolicited_na": "0",
    "force_mld_version": "0",
    "force_tllao": "0",
    "hop_limit": "64",
    "ignore_routes_with_linkdown": "0",
    "ioam6_enabled": "0",
    "keep_addr_on_down": "0",
    "max_addresses": "16",
    "ndisc_evict_nocarrier": "1",
    "ndisc_notify": "0",
    "ndisc_tclass": "0",
    "optimistic_dad": "0",
    "proxy_ndp": "0",
    "router_solicitations": "0",
    "rpl_seg_enabled": "0",
    "seg6_enabled": "0",
    "seg6_require_hmac": "0",
    "suppress_frag_ndisc": "1",
    "use_oif_addrs_only": "0",
    "use_optimistic": "0",
    "use_tempaddr": "0",
}

NETFILTER: Mapping[str, str] = {
    "nf_conntrack_acct": "0",  # a parameter of the module sets it for all namespaces, and it costs time per packet
    "nf_conntrack_checksum": "1",
    "nf_conntrack_events": "2",
    "nf_conntrack_generic_timeout": "600",
    "nf_conntrack_icmp_timeout": "30",
    "nf_conntrack_icmpv6_timeout": "30",
    "nf_conntrack_log_invalid": "0",
    "nf_conntrack_tcp_be_liberal": "0",
    "nf_conntrack_tcp_ignore_invalid_rst": "0",
    "nf_conntrack_tcp_loose": "1",
    "nf_conntrack_tcp_max_retrans": "3",
    "nf_conntrack_tcp_timeout_close": "10",
    "nf_conntrack_tcp_timeout_close_wait": "60",
    "nf_conntrack_tcp_timeout_established": "432000",
    "nf_conntrack_tcp_timeout_fin_wait": "120",
    "nf_conntrack_tcp_timeout_last_ack": "30",
    "nf_conntrack_tcp_timeout_max_retrans": "300",
    "nf_conntrack_tcp_timeout_syn_recv": "60",
    "nf_conntrack_tcp_timeout_syn_sent": "120",
    "nf_conntrack_tcp_timeout_time_wait": "120",
    "nf_conntrack_tcp_timeout_unacknowledged": "300",
    "nf_conntrack_timestamp": "0",  # as nf_conntrack_acct
    "nf_conntrack_udp_timeout": "30",
    "nf_conntrack_udp_timeout_stream": "120",
}

CORE: Mapping[str, str] = {
    "rps_default_mask": "0",  # else new devices spread packets over other CPUs
    "tstamp_allow_data": "1",
    "txrehash": "1",
}


def known(version: int) -> dict[str, str]:
    """Every value of an IP version, by its path in /proc/sys; in the order in which they must be written."""
    if version == 6:
        return {f"net/ipv6/conf/{where}/{key}": value for where in _PLACES for key, value in IPV6_CONF.items()
                if (where, key) not in _LOOPBACKS_OWN}  # fmt: skip
    conf = {"all": IPV4_CONF, "default": IPV4_CONF, "lo": IPV4_LOOPBACK}
    return {
        **{f"net/ipv4/conf/{where}/{key}": value for where, table in conf.items() for key, value in table.items()},
        **{f"net/netfilter/{key}": value for key, value in NETFILTER.items()},
        **{f"net/core/{key}": value for key, value in CORE.items()},
    }


_PLACES = ("all", "default", "lo")  # the loopback device is made with the namespace, from its default
_LOOPBACKS_OWN = {("lo", "accept_dad"), ("lo", "use_tempaddr")}  # the kernel sets them to -1: not for this device
