"""Campaigns that the coordinator must refuse, each with the field that the answer must name."""

import json
from typing import Any

from tests.unit.coordinator.coordinator_app import WORKLOAD, campaign

LABEL_33 = "a" * 33

# (change of a good campaign, the field in the answer)
CHANGES: list[tuple[dict[str, Any], str]] = [
    # name
    *[
        ({"name": name}, "name")
        for name in (
            *(
                "",
                " ",
                "-x",
                ".x",
                "_x",
                "a b",
                "a/b",
                "../../etc/passwd",
                "a" * 65,
                "ä",
                "名前",
                "a\n",
                "a\x00b",
                "\u202ea",
            ),
            *(
                "<script>alert(1)</script>",
                "x'; DROP TABLE campaigns;--",
                "{{7*7}}",
                "$(reboot)",
                "`id`",
                "%00",
                "a,b=c",
            ),
            *(None, 1, 1.5, True, [], {}, ["x"]),
        )
    ],
    ({"name": "\ud800"}, "name"),
    # description
    *[({"description": d}, "description") for d in ("x" * 501, "a\x00b", "\x1b[2J", "a\x07", None, 1, [], {})],
    ({"description": "\ud800"}, "description"),
    # datapaths
    *[({"datapaths": d}, "datapaths") for d in ([], None, "direct", 1, True, {}, {"direct": 1}, ["direct"] * 10)],
    *[
        ({"datapaths": ["direct", d]}, "datapaths.1")
        for d in (
            "",
            "Direct",
            "nosuch",
            "direct ",
            "direct#2",
            "../x",
            "a b",
            LABEL_33,
            "1x",
            "x;y",
            None,
            1,
            [],
            {},
            True,
        )
    ],
    ({"datapaths": ["nosuch", "direct"]}, "datapaths.0"),
    ({"datapaths": ["direct", "ebpf_broken"]}, "datapaths.1"),
    # reference
    *[
        ({"reference": r}, "reference")
        for r in ("", "ebpf_redirect", "nosuch", "direct#2", "direct#9", "#2", 1, [], {}, True)
    ],
    # workloads
    *[({"workloads": w}, "workloads") for w in ([], None, "http_keepalive", 1, {}, ["http_keepalive"] * 2, ["x"] * 9)],
    *[({"workloads": [w]}, "workloads.0") for w in ("", "nosuch", "HTTP", "a-b", "a\x00", None, 1, [], "__class__")],
    # parameters
    *[({"parameters": p}, "parameters") for p in (None, 1, "body_bytes", [], True)],
    *[({"parameters": {WORKLOAD: p}}, f"parameters.{WORKLOAD}") for p in (None, 1, "x", [], True)],
    *[
        ({"parameters": {WORKLOAD: {"body_bytes": v}}}, f"parameters.{WORKLOAD}.body_bytes")
        for v in (None, "8", 8.5, True, -1, [], {}, 10**30)
    ],
    *[({"parameters": {WORKLOAD: {n: 1}}}, f"parameters.{WORKLOAD}.{n}") for n in ("", "Body", "a b", LABEL_33, "<b>")],
    *[
        ({"parameters": {w: {"body_bytes": 1}}}, f"parameters.{w}")
        for w in ("stream", "Odd", "a b", "a.b", "__class__")
    ],
    # levels
    *[({"levels": v}, "levels") for v in ({}, None, [], "closed(8)", 1, {f"l{i}": "closed(1)" for i in range(17)})],
    *[
        ({"levels": {"low": v}}, "levels.low")
        for v in (
            *(
                "",
                "closed",
                "closed()",
                "closed(-1)",
                "closed(8",
                "closed(x)",
                "closed(8.5)",
                "half(8)",
                "closed(8);open(1)",
            ),
            *("closed(9999999999)", "closed(８)", "closed(8)\x00", None, 8, True, [], ["closed(8)"], {}),
            *({"connections": 8}, {"kind": "half", "connections": 8}, {"kind": None}, "open(20000)"),
        )
    ],
    *[
        ({"levels": {"low": f"closed(8) {v}"}}, "levels.low")
        for v in (
            "under",
            "under ballast",
            "under ballast(20001)",
            "under ipv5",
            "under no_x",
            "conntrack",
            "under a under b",
        )
    ],
    *[({"conditions": {"a": v}}, "conditions.a") for v in ("ballast()", "ipv4, ipv4", 1, ["conntrack"], "x" * 201)],
    ({"conditions": {"Not a name": ""}}, "conditions.Not a name"),
    ({"conditions": []}, "conditions"),
    *[({"levels": {"low": v}}, "levels.low.closed.connections") for v in ("closed(0)", "closed(10001)")],
    *[({"levels": {"low": v}}, "levels.low.open.rate_per_s") for v in ("open(0)", "open(5000001)")],
    *[
        ({"levels": {"low": {"kind": "closed", "connections": v}}}, "levels.low.closed.connections")
        for v in ("8", 8.5, True, None, -1, 0, 10**30, [])
    ],
    ({"levels": {"low": {"kind": "closed"}}}, "levels.low.closed.connections"),
    ({"levels": {"low": {"kind": "closed", "connections": 8, "rate_per_s": 1}}}, "levels.low.closed.rate_per_s"),
    *[
        ({"levels": {k: "closed(8)"}}, f"levels.{k}" if k else "levels.")
        for k in ("", "Low", "a b", LABEL_33, "a-b", "<b>")
    ],
    # blocks, slices, seed
    *[({"blocks": v}, "blocks") for v in (0, -1, 201, 10**40, "6", 6.0, 6.5, True, None, [], {})],
    *[({"slices": v}, "slices") for v in (0, -1, 1001, "2", 2.5, True, None, [])],
    *[({"seed": v}, "seed") for v in (-1, 2**31, "7", 1.5, True, None, {})],
    # durations and the margin
    *[({"slice_s": v}, "slice_s") for v in (0, 0.09, -1, 61, "1", True, None, [], 10**400)],
    *[({"warm_up_s": v}, "warm_up_s") for v in (-0.1, 61, "1", False, None, {})],
    *[({"equivalence_margin": v}, "equivalence_margin") for v in (0, -0.1, 0.51, "0.03", True)],
    # probes and hosts
    *[({"probes": v}, "probes") for v in ("run_queue", None, {}, 1, ["run_queue"] * 2, [f"p{i}" for i in range(17)])],
    *[({"probes": [v]}, "probes.0") for v in ("nosuch", "", "Run", None, 1, "a/b")],
    *[({"hosts": v}, "hosts") for v in ("h1", None, {}, 1, ["h1", "h1"], [f"h{i}" for i in range(65)])],
    *[
        ({"hosts": [v]}, "hosts.0")
        for v in ("nosuch", "", "H1", "-h", "h_1", "h1.example", "a" * 64, None, 1, "h1\x00")
    ],
    # across fields
    (
        {
            "blocks": 300,
            "levels": {f"l{i}": "closed(1)" for i in range(6)},
            "workloads": ["http_keepalive", "http_open"],
        },
        "blocks",
    ),
    ({"slices": 1000, "slice_s": 60, "blocks": 100}, "slices"),
    # unknown fields
    *[
        ({f: 1}, f)
        for f in ("nosuch", "Name", "id", "state", "__proto__", "campaign", "block", "load", "exec", "command")
    ],
    # expect
    *[({"expect": e}, "expect") for e in (None, 1, "direct.requests_per_s > 1", True)],
    ({"expect": {"a b": "x"}}, "expect.a b"),
    *[
        ({"expect": {"gate": e}, "blocks": 5}, "expect.gate")
        for e in (
            *("", "nosuch.requests_per_s > 1", "direct.nosuch > 1", "direct.p99_us < 1", "direct.requests_per_s > 1@x"),
            *("direct.requests_per_s@x > 1", "direct.requests_per_s > 1\x00", "capacity(direct) > 1", None, 1, [], {}),
        )
    ],
    ({"expect": ["direct.requests_per_s > 1"], "blocks": 4}, "expect.expectation_1"),
]

# (text sent as JSON, the field in the answer)
JSON_TEXTS: list[tuple[bytes, str]] = [
    *[
        (t, "body")
        for t in (b"", b"{", b"nonsense", b"{'name': 1}", b'{"name": "x",}', b"\x00", b"\xff\xfe", b'"\\ud8"')
    ],
    *[(t, "campaign") for t in (b"[]", b"null", b"1", b'"x"', b"true", b"[{}]")],
    (b"{}", "name"),
    (b'{"name": "a", "name": "b"}', "body"),
    *[(b'{"name": "a", "slice_s": %s}' % n, "body") for n in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e400")],
    (b'{"blocks": ' + b"9" * 5000 + b"}", "body"),
    (b'{"name": ' + b"[" * 8000 + b"]" * 8000 + b"}", "body"),
    (b'{"levels": ' + b'{"a":' * 3000 + b"1" + b"}" * 3001, "body"),
    (b'{"name": "' + b"x" * 20_000 + b'"}', "body"),
    (b'{"name": "x"}' + b" " * (2 << 20), "body"),
    (json.dumps(campaign()).encode("utf-16"), "body"),
]

# (text sent as TOML, the field in the answer)
TOML_TEXTS: list[tuple[bytes, str]] = [
    *[
        (t, "campaign")
        for t in (b"{", b"name", b"name = ", b"= 1", b'name = "a"\nname = "b"', b"[levels", b"\x00", b"\xff\xfe")
    ],
    (b"", "name"),
    (b"a = " + b"[" * 5000, "campaign"),
    (b"blocks = " + b"9" * 5000, "campaign"),
    (b".".join([b"a"] * 2000) + b" = 1", "a"),
    (b"# " + b"x" * 20_000, "body"),
    (b'name = "x"\ndatapaths = ["direct"]\n[levels]\nlow = "closed(8)"\n[levels.low]\nkind = 1', "campaign"),
    (b'name = "x"\ndatapaths = ["direct"]\nslice_s = nan\n[levels]\nlow = "closed(8)"', "slice_s"),
    (b'name = "x"\ndatapaths = ["direct"]\nslice_s = inf\n[levels]\nlow = "closed(8)"', "slice_s"),
    (
        b'name = "x"\ndatapaths = ["direct"]\nequivalence_margin = nan\n[levels]\nlow = "closed(8)"',
        "equivalence_margin",
    ),
    (b'name = 2026-01-01\ndatapaths = ["direct"]\n[levels]\nlow = "closed(8)"', "name"),
    (b'name = "x"\ndatapaths = ["direct"]\nblocks = 2026-01-01\n[levels]\nlow = "closed(8)"', "blocks"),
    (b'name = "x"\n[[datapaths]]\nname = "direct"\n[levels]\nlow = "closed(8)"', "datapaths.0"),
    (b'name = "x"\ndatapaths = ["direct"]\n[[levels]]\nlow = "closed(8)"', "levels"),
    (b'name = "x"\ndatapaths = ["direct"]\n[levels]\nlow = "closed(8)"\nblocks = 3', "levels.blocks"),
]

CONTENT_TYPES = [
    "",
    "text/plain",
    "application/xml",
    "text/html",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
]
