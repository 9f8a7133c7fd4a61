"""The matrix of traits: every trait of every datapath, tested on this host one after another."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import workers.datapaths
import workers.traits
from domain.service.jobs import HostCapabilities
from domain.trials.traits import Finding, TraitMatrix, TraitRow, TraitWords, in_order
from domain.values.registry import discover
from domain.values.texts import error_text
from workers.datapaths.base import Datapath
from workers.lab.cleanup import CleanupRegister
from workers.traits._bench import LabBench
from workers.traits.base import Bench, Trait, error, not_applicable, not_run
from workers.traits.matrix.file import made_by

log = logging.getLogger(__name__)


class RenewableBench(Bench, Protocol):
    """A bench whose shared lab can be replaced."""

    def renew(self) -> None:
        """Discard the shared lab, because something broke in it."""


@dataclass(frozen=True)
class MatrixRun:
    """Tests traits of datapaths on benches; unit tests pass fakes of all three."""

    datapaths: Mapping[str, Datapath]
    traits: Mapping[str, Trait]
    bench: Callable[[Datapath], AbstractContextManager[RenewableBench]]

    @classmethod
    def installed(cls, register: CleanupRegister, names: Sequence[str] = ()) -> "MatrixRun":
        """All installed traits and datapaths, or the named datapaths only. Raises ``LookupError``."""
        datapaths = discover(workers.datapaths, Datapath)
        if unknown := sorted(set(names) - set(datapaths)):
            raise LookupError(f"no datapath {unknown[0]!r}; known: {', '.join(datapaths)}")
        return cls.of({name: one for name, one in datapaths.items() if not names or name in names}, register)

    @classmethod
    def of(cls, datapaths: Mapping[str, Datapath], register: CleanupRegister) -> "MatrixRun":
        """These datapaths and every installed trait, in labs."""
        return cls(datapaths, discover(workers.traits, Trait), lambda datapath: LabBench(datapath, register))

    def run(self, host: HostCapabilities, progress: Callable[[str], None] = lambda _: None) -> TraitMatrix:
        """Test everything, in one lab after another. Calls ``progress`` with each datapath's name."""
        rows = []
        for name, datapath in self.datapaths.items():
            progress(name)
            rows.append(self._row(name, datapath, host))
        return TraitMatrix(
            host=host.host,
            **made_by(),
            measured_at=datetime.now(UTC).replace(microsecond=0),
            traits=tuple(TraitWords(name=t.name, title=t.title, summary=t.summary) for t in self.traits.values()),
            rows=in_order(rows),
        )

    def _row(self, name: str, datapath: Datapath, host: HostCapabilities) -> TraitRow:
        began = time.monotonic()
        findings = self._findings(datapath, host)
        duration_s = round(time.monotonic() - began, 2)
        return TraitRow(datapath=name, function=datapath.function, findings=findings, duration_s=duration_s)

    def _findings(self, datapath: Datapath, host: HostCapabilities) -> dict[str, Finding]:
        if unmet := datapath.unmet_requirements(host):
            return dict.fromkeys(self.traits, not_run(" ".join(unmet)))
        if datapath.services and "http" not in datapath.services:
            only = f"It carries {' and '.join(sorted(datapath.services))} only; these tests converse over TCP or HTTP."
            return dict.fromkeys(self.traits, not_applicable(only))
        with self.bench(datapath) as bench:
            return {name: _found(trait, bench) for name, trait in self.traits.items()}

    def first(self) -> tuple["MatrixRun", list[str]]:
        """A run of the first datapath only, and the names of the others."""
        name, *others = self.datapaths
        return replace(self, datapaths={name: self.datapaths[name]}), others


def _found(trait: Trait, bench: RenewableBench) -> Finding:
    try:
        return trait.check(bench)
    except Exception as problem:  # a broken test is no answer, and must not stop the other tests
        log.info("%s of %s: the test broke", trait.name, bench.datapath.name, exc_info=True)
        bench.renew()
        return error(error_text(problem))
