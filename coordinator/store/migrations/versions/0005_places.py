"""Places: hosts that registered before probes declared them get what the coordinator knew until then

Revision ID: 0005
Revises: 0004
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_HOSTS = sa.table("hosts", sa.column("name", sa.String), sa.column("capabilities", sa.Text))

# The path of a request up to revision 0004. It is history: a new probe declares its place in its own file.
_PATH = (
    "connect", "qdisc", "device_hop", "forward", "rx_steering", "notify", "run_queue", "socket_wait", "splice_work",
    "proxy_residence",
)  # fmt: skip
_WITHIN = {
    "connect": {"dut": ["proxy_residence", "to_origin"]},
    "qdisc": {"dut": ["forward", ""]},
    "run_queue": {
        "proxy": ["socket_wait", "dut"],
        "origin": ["socket_wait", "server"],
        "generator": ["socket_wait", "client"],
    },
}
_HOST_ROLES = {"run_queue": ["kworker", "ksoftirqd"]}


def upgrade() -> None:
    _rewrite(_add_place)


def downgrade() -> None:
    _rewrite(lambda probe: probe.pop("place", None))


def _rewrite(change: Any) -> None:
    connection = op.get_bind()
    for name, text in connection.execute(sa.select(_HOSTS.c.name, _HOSTS.c.capabilities)).all():
        capabilities = json.loads(text)
        for probe in capabilities["probes"]:
            change(probe)
        new = json.dumps(capabilities, ensure_ascii=False, separators=(",", ":"))
        connection.execute(_HOSTS.update().where(_HOSTS.c.name == name).values(capabilities=new))


def _add_place(probe: dict[str, Any]) -> None:
    stage = probe.get("stage") or probe["name"]
    if stage in _PATH and probe.get("place") is None:
        probe["place"] = {
            "order": 10 * (_PATH.index(stage) + 1),
            "within": _WITHIN.get(stage, {}),
            "host_roles": _HOST_ROLES.get(stage, []),
        }
