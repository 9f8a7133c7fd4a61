"""What hosts can run, read once per change: a coordinator of a thousand hosts asks for all of them all the time.

A version is a hash of what the host reported, so it is right whether or not a transaction is rolled back.
"""

import hashlib
import threading
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.pool import Pool as Connections

from coordinator.store.rows.models import Base, HostRow
from coordinator.store.rows.quarantine import readable
from domain.service.jobs import HostCapabilities
from domain.values.names import MAX_HOST_NAME

_AT_ONCE = 100  # hosts that one query reads
_SHARED = ("datapaths", "workloads", "probes", "features")  # which like hosts report alike


class HostVersionRow(Base):
    """The version of a host's capabilities; hosts that registered before revision 0023 have none."""

    __tablename__ = "host_versions"

    host: Mapped[str] = mapped_column(String(MAX_HOST_NAME), primary_key=True)
    version: Mapped[str] = mapped_column(String(64))


class _Known:
    """The capabilities that this process has read. Equal parts of different hosts are one object."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[str, tuple[str, HostCapabilities]] = {}
        self._parts: dict[tuple[str, str], Any] = {}

    def present(self, versions: Mapping[str, str | None]) -> dict[str, HostCapabilities]:
        """Those that are of these versions; hosts that are gone are forgotten."""
        with self._lock:
            self._hosts = {name: one for name, one in self._hosts.items() if name in versions}
            if not self._hosts:
                self._parts.clear()
            return {name: found for name, (version, found) in self._hosts.items() if version == versions[name]}

    def keep(self, name: str, version: str, found: HostCapabilities) -> HostCapabilities:
        """The same, with parts that other hosts share."""
        with self._lock:
            parts = {part: self._part(part, found) for part in _SHARED}
            shared = found.model_copy(update=parts)
            self._hosts[name] = version, shared
        return shared

    def _part(self, name: str, found: HostCapabilities) -> Any:
        key = name, found.model_dump_json(include={name})
        return self._parts.setdefault(key, getattr(found, name))


_known: WeakKeyDictionary[Connections, _Known] = WeakKeyDictionary()  # by database


def version_of(reported: HostCapabilities) -> str:
    """The version of what a host reports."""
    return hashlib.sha256(reported.model_dump_json().encode()).hexdigest()


def is_present(session: Session, host: str, version: str) -> bool:
    """True if the host has reported this version, and it is stored."""
    query = select(HostVersionRow.host).join(HostRow, HostRow.name == HostVersionRow.host)
    return session.scalar(query.where(HostVersionRow.host == host, HostVersionRow.version == version)) is not None


def set_version(session: Session, host: str, version: str) -> None:
    """Note which version is stored."""
    session.merge(HostVersionRow(host=host, version=version))


def forget(session: Session, host: str) -> None:
    """Forget a host that was removed."""
    session.execute(delete(HostVersionRow).where(HostVersionRow.host == host))


def all_capabilities(session: Session) -> dict[str, HostCapabilities]:
    """By host, in the order of names; a host whose capabilities cannot be read is left out."""
    query = select(HostRow.name, HostVersionRow.version).outerjoin(HostVersionRow, HostVersionRow.host == HostRow.name)
    versions: dict[str, str | None] = dict(session.execute(query.order_by(HostRow.name)).all())
    known = _known.setdefault(session.get_bind().engine.pool, _Known())
    found = known.present(versions)
    missing = [name for name in versions if name not in found]
    for first in range(0, len(missing), _AT_ONCE):
        rows = session.scalars(select(HostRow).where(HostRow.name.in_(missing[first : first + _AT_ONCE])))
        for row, capabilities in readable(rows, "capabilities"):
            version = versions[row.name]
            found[row.name] = capabilities if version is None else known.keep(row.name, version, capabilities)
    return {name: found[name] for name in versions if name in found}
