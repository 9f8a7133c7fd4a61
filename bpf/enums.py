"""Numbers of the kernel's BPF interface (include/uapi/linux/bpf.h), those that are used here."""

from enum import IntEnum


class Command(IntEnum):
    """enum bpf_cmd: the operations of bpf(2)."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    MAP_GET_NEXT_KEY = 4
    PROG_LOAD = 5
    PROG_ATTACH = 8
    PROG_DETACH = 9
    PROG_TEST_RUN = 10
    PROG_GET_FD_BY_ID = 13
    OBJ_GET_INFO_BY_FD = 15
    MAP_UPDATE_BATCH = 26
    PROG_QUERY = 16
    RAW_TRACEPOINT_OPEN = 17
    LINK_CREATE = 28
    LINK_GET_FD_BY_ID = 30
    ENABLE_STATS = 32
    LINK_DETACH = 34


class MapType(IntEnum):
    """enum bpf_map_type."""

    HASH = 1
    PROG_ARRAY = 3
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    LRU_HASH = 9
    LRU_PERCPU_HASH = 10
    LPM_TRIE = 11
    SOCKMAP = 15
    SOCKHASH = 18


class ProgramType(IntEnum):
    """enum bpf_prog_type."""

    SCHED_CLS = 3
    TRACEPOINT = 5
    XDP = 6
    CGROUP_SKB = 8
    SOCK_OPS = 13
    SK_SKB = 14
    SK_MSG = 16
    RAW_TRACEPOINT = 17
    CGROUP_SOCK_ADDR = 18
    TRACING = 26
    SK_LOOKUP = 30


class AttachType(IntEnum):
    """enum bpf_attach_type."""

    CGROUP_INET_INGRESS = 0
    CGROUP_SOCK_OPS = 3
    SK_SKB_STREAM_VERDICT = 5
    SK_MSG_VERDICT = 7
    CGROUP_INET4_CONNECT = 10
    CGROUP_INET6_CONNECT = 11
    TRACE_FENTRY = 24
    SK_LOOKUP = 36
    TCX_INGRESS = 46


class LinkType(IntEnum):
    """enum bpf_link_type."""

    CGROUP = 3
