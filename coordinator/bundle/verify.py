"""A bundle is verified: its trials are analysed again, and every word and number of its report is compared."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from coordinator.analysis.kernel.path import StagePath
from coordinator.analysis.reports.report import build_report
from coordinator.bundle.content import campaign_of, read_attempt, read_path, record_of, with_accepted
from coordinator.bundle.differences import Difference, differences
from coordinator.bundle.keys import PublicKey
from coordinator.bundle.manifest import CAMPAIGN, PATH, RECORD, REPORT, Manifest, read_json
from coordinator.bundle.reading import Bundle
from coordinator.bundle.refusal import Unreadable, quoted
from coordinator.bundle.version import AnalysisVersion, analysis_version
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign
from domain.campaigns.toml_text import toml_text
from domain.reports.report import CampaignReport
from domain.values.texts import error_text


@dataclass(frozen=True)
class Verification:
    """What came of it. ``not_compared`` are parts of the report that only one of two versions of the analysis has."""

    manifest: Manifest
    key: PublicKey
    analysis: AnalysisVersion
    attempts: int
    trials: int
    verdicts: int
    differences: tuple[Difference, ...]
    not_compared: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """True if the analysis gives the report of the bundle."""
        return not self.differences

    @property
    def is_same_analysis(self) -> bool:
        """True if the program that made the report has the same analysis as this one."""
        return self.manifest.analysis.code == self.analysis.code


@dataclass
class _Content:
    """What was read by now."""

    record: Mapping[str, Any] | None = None
    campaign: Campaign | None = None
    toml: str | None = None
    path: StagePath | None = None
    report: Any = None

    def known(self) -> tuple[Mapping[str, Any], Campaign]:
        if self.record is None or self.campaign is None:
            raise Unreadable(f"it has no {RECORD} before its attempts")
        return self.record, self.campaign


def verify(file: BinaryIO, key: PublicKey | None = None) -> Verification:
    """Read a bundle and analyse its trials again.

    Raises :class:`coordinator.bundle.refusal.NotSigned` or :class:`Unreadable`.
    """
    bundle, content = Bundle(file, key), _Content()
    attempts: list[AttemptRecord] = []
    for name, data in bundle.files():
        if name.startswith("attempts/"):
            attempts.append(record_of(content.known()[1], read_attempt(data, name)))
        else:
            _take(content, name, data)
    record, campaign = content.known()
    if not isinstance(content.report, dict):
        raise Unreadable(f"it has no {REPORT} that is an object")
    found = _analyse(record, campaign, with_accepted(attempts), content.path)
    every = list(differences(content.report, json.loads(found.model_dump_json())))
    if content.toml is not None and content.toml != toml_text(campaign):
        every.append(Difference(CAMPAIGN, content.toml, toml_text(campaign)))
    if (stated := (record.get("id"), record.get("seed"))) != (bundle.manifest.campaign, bundle.manifest.seed):
        every.append(
            Difference("id and seed of the manifest", stated, (bundle.manifest.campaign, bundle.manifest.seed))
        )
    return _judged(bundle, attempts, found, every)


def _judged(
    bundle: Bundle, attempts: list[AttemptRecord], found: CampaignReport, every: list[Difference]
) -> Verification:
    analysis = analysis_version()
    may_lack = bundle.manifest.analysis.code != analysis.code
    return Verification(
        manifest=bundle.manifest,
        key=bundle.key,
        analysis=analysis,
        attempts=len(attempts),
        trials=sum(len(one.digest.trials) for one in attempts if one.digest is not None),
        verdicts=len(found.verdicts),
        differences=tuple(one for one in every if not (one.is_lack and may_lack)),
        not_compared=tuple(dict.fromkeys(one.place for one in every if one.is_lack and may_lack)),
    )


def _take(content: _Content, name: str, data: bytes) -> None:
    if name == RECORD:
        record = read_json(data, name)
        if not isinstance(record, dict):
            raise Unreadable(f"{name} is no object")
        content.record, content.campaign = record, campaign_of(record, name)
    elif name == PATH:
        content.path = read_path(data, name)
    elif name == REPORT:
        content.report = read_json(data, name)
    elif name == CAMPAIGN:
        content.toml = data.decode(errors="replace")
    else:
        raise Unreadable(f"this version of Showdown does not know what {name} is")


def _analyse(
    record: Mapping[str, Any], campaign: Campaign, attempts: list[AttemptRecord], path: StagePath | None
) -> CampaignReport:
    try:
        return build_report(campaign, record, attempts, path or StagePath())
    except Exception as error:  # the record is any JSON: what is in it may break the analysis in any way
        raise Unreadable(f"this version of Showdown cannot analyse its trials: {quoted(error_text(error))}") from error
