"""Tries what nftables can do on this kernel: each function loads rules; call it in a new namespace.

Every function raises :class:`Refused`, or another exception, if the kernel refuses;
workers/inventory/features.py turns it into a sentence.
"""

import subprocess

from workers.inventory.refused import Refused
from workers.lab import netns

_TPROXY = "meta l4proto tcp tproxy to :1 accept"
_SOCKET = "socket transparent 1 accept"
_DNAT = """table ip t {
    chain o { dnat to 192.0.2.1; }
    chain c {
        type nat hook prerouting priority dstnat;
        jhash ip saddr . tcp sport mod 1 vmap { 0 : goto o };
    }
    chain f { type filter hook forward priority filter; ct status dnat accept; }
}
"""
_LIMIT = """table ip t {
    set s { type ipv4_addr; size 8; flags dynamic; }
    chain c { type filter hook forward priority filter; update @s { ip daddr limit rate over 1 kbytes/second } drop; }
}
"""
_SYNPROXY = """table ip t {
    chain c { type filter hook forward priority filter; ct state new,invalid synproxy mss 1460 sack-perm; }
}
"""
_FLOWTABLE = "table ip t { flowtable f { hook ingress priority 0; devices = { lo }; }\n }\n"


def tproxy() -> None:
    """nft accepts a rule with ``tproxy``. Call it in a new namespace."""
    _nft(_prerouting(_TPROXY))


def redirect() -> None:
    """nft accepts a rule with ``redirect``. Call it in a new namespace."""
    _nft("table ip t { chain c { type nat hook prerouting priority dstnat; tcp dport 1 redirect to :2; }\n }\n")


def dnat() -> None:
    """nft accepts ``dnat`` by a hash, and a rule that matches ``ct status dnat``. Call it in a new namespace."""
    _nft(_DNAT)


def socket() -> None:
    """nft accepts a rule with ``socket transparent``. Call it in a new namespace."""
    _nft(_prerouting(_SOCKET))


def ct() -> None:
    """nft accepts a rule on a connection's state, which enables tracking. Call it in a new namespace."""
    _nft(_prerouting("ct state new accept"))


def limit() -> None:
    """nft accepts a limit for each element of a dynamic set. Call it in a new namespace."""
    _nft(_LIMIT)


def synproxy() -> None:
    """nft accepts a rule that proxies handshakes. Call it in a new namespace."""
    _nft(_SYNPROXY)


def flowtable() -> None:
    """nft accepts a flow table. Call it in a new namespace."""
    _nft(_FLOWTABLE)


def payload_set() -> None:
    """nft accepts a rule that sets the time to live. Call it in a new namespace."""
    _nft(_prerouting("ip ttl set 64"))


def _prerouting(rule: str) -> str:
    return f"table ip t {{ chain c {{ type filter hook prerouting priority mangle; {rule}; }}\n }}\n"


def _nft(rules: str) -> None:
    try:
        netns.run_program(["nft", "-f", "-"], stdin=rules, timeout_s=5)
    except FileNotFoundError:
        raise Refused("the program nft is missing") from None
    except subprocess.CalledProcessError as error:
        # nft quotes the rule below its reason, with a caret; the reason alone is enough here.
        reason = error.stderr.partition("Error: ")[2].partition("\n")[0]
        raise Refused(f"nft: {reason or error.stderr.strip() or f'status {error.returncode}'}") from error
