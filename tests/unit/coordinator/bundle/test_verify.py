"""A bundle's trials give its report again; whatever was changed is found, by signature, hash or analysis."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coordinator.analysis.reports.report import build_report
from coordinator.bundle.manifest import MANIFEST, Manifest, read_manifest
from coordinator.bundle.verify import Verification
from coordinator.bundle.verify import verify as verify_again
from coordinator.bundle.writing import write_bundle
from coordinator.store.campaigns import views
from coordinator.store.measured import digests, records
from coordinator.store.measured.bundle_files import bundle_files
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import CampaignRow
from deploy.cli.errors import ExitCode
from deploy.cli.main import main
from domain.reports.calibration import Calibration
from tests import ROOT
from tests.unit.coordinator.bundle.bundles import Files, a_key, bundle_of, finished, resigned, stored, unpacked
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.store import random_campaigns
from tests.unit.coordinator.store.measured.test_digests import CAMPAIGN_ID, PATH, add_attempt, add_campaign


def verify_bundle(file: Path) -> Verification:
    with file.open("rb") as opened:
        return verify_again(opened)


def verify(file: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["verify", str(file), *options])


def key_of(bundle: bytes) -> str:
    return read_manifest(unpacked(bundle)[MANIFEST]).public_key


def change_report(files: Files) -> None:
    report = json.loads(files["report.json"])
    verdict = next(one for one in report["verdicts"] if one["metric"] == "requests_per_s")
    verdict["verdict"], verdict["ratio"] = "worse", 0.5
    files["report.json"] = json.dumps(report, allow_nan=False).encode()


def change_a_trial(files: Files) -> None:
    name = next(name for name in files if name.startswith("attempts/"))
    attempt = json.loads(files[name])
    attempt["result"]["trials"][0]["requests"] += 100
    files[name] = json.dumps(attempt, allow_nan=False).encode()


def test_a_bundle_gives_its_report_again(bundle: bytes, tmp_path: Path) -> None:
    result = verify(stored(bundle, tmp_path), "--key", key_of(bundle))
    assert result.exit_code == ExitCode.OK, result.output
    assert "5 attempts, 10 trials" in result.stdout
    assert "the same: every word and number" in result.stdout
    assert "(as asked for)" in result.stdout
    found = json.loads(verify(stored(bundle, tmp_path), "--json").stdout)
    assert (found["same"], found["differences"], found["key"]) == (True, [], key_of(bundle))
    files = unpacked(bundle)
    assert len(json.loads(files["attempts/00000-1.json"])["result"]["trials"]) == 2
    assert "datapaths = " in files["campaign.toml"].decode()


def test_searches_retries_noise_probes_and_two_kernels_are_analysed_again(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.sqlite")
    store.migrate()
    campaign, every = random_campaigns.a_campaign(2), list(random_campaigns.results(2))
    add_campaign(store, campaign, every)
    for one in every:
        add_attempt(store, one)
    with store.write() as session:
        known = random_campaigns.RECORD["calibration"][random_campaigns.WORKLOAD]  # type: ignore[index]
        session.get_one(CampaignRow, CAMPAIGN_ID).calibration = {
            random_campaigns.WORKLOAD: Calibration.model_validate(known)
        }
    with store.read() as session:
        record = views.campaign_record(session, CAMPAIGN_ID)
        assert record is not None
        attempts, pools = records.attempt_records(session, CAMPAIGN_ID), digests.pools_of(session, CAMPAIGN_ID)
        report = build_report(campaign, record, attempts, PATH, pools)
    assert report.decompositions
    assert report.left_out, "the blocks of another kernel"
    assert report.failed_attempts
    written = write_bundle(record, bundle_files(store, record, PATH, report), a_key(), tmp_path)
    result = verify(stored(b"".join(written.pieces), tmp_path))
    assert result.exit_code == ExitCode.OK, result.output
    assert f"{len(every)} attempts" in result.stdout
    store.close()


def test_the_same_campaign_gives_the_same_bytes(coordinator_app: CoordinatorApp) -> None:
    campaign_id = finished(coordinator_app, blocks=1)
    bundle = bundle_of(coordinator_app, campaign_id)
    coordinator_app.now += 1000
    assert bundle_of(coordinator_app, campaign_id) == bundle


@pytest.mark.parametrize("change", [change_report, change_a_trial])
def test_a_forged_figure_is_found_though_the_forger_signed_it(change, bundle: bytes, tmp_path: Path) -> None:
    forged = stored(resigned(bundle, a_key(), change), tmp_path)
    result = verify(forged)
    assert result.exit_code == ExitCode.DIFFERS, result.output
    assert "differs: " in result.stdout
    if change is change_report:
        place = "verdicts[tproxy direct http_keepalive low requests_per_s].verdict"
        assert f'{place}: "worse" in the bundle, "better" found again' in result.stdout
    else:
        assert "requests_per_s" in result.stdout
    with_key = verify(forged, "--key", key_of(bundle))
    assert with_key.exit_code == ExitCode.NOT_SIGNED
    assert "its signature is not by the key" in with_key.stderr


def test_a_changed_file_is_not_the_signed_one(bundle: bytes, tmp_path: Path) -> None:
    def keep_manifest(manifest: Manifest) -> Manifest:
        return read_manifest(unpacked(bundle)[MANIFEST]).model_copy(update={"public_key": key.public.text})

    key = a_key()
    result = verify(stored(resigned(bundle, key, change_report, keep_manifest), tmp_path))
    assert result.exit_code == ExitCode.NOT_SIGNED
    assert "report.json is not the file that was signed" in result.stderr


def older(manifest: Manifest) -> Manifest:
    return manifest.model_copy(update={"analysis": manifest.analysis.model_copy(update={"code": "0" * 64})})


def without_crossovers(files: Files) -> None:
    report = json.loads(files["report.json"])
    del report["overload_onsets"]
    files["report.json"] = json.dumps(report, allow_nan=False).encode()


def test_what_an_older_analysis_did_not_have_is_named_and_not_compared(bundle: bytes, tmp_path: Path) -> None:
    result = verify(stored(resigned(bundle, a_key(), without_crossovers, older), tmp_path))
    assert result.exit_code == ExitCode.OK, result.output
    assert "only one of the two versions has it: overload_onsets" in result.stdout
    assert f"analysis {'0' * 12}" in result.stdout
    same_code = verify(stored(resigned(bundle, a_key(), without_crossovers), tmp_path))
    assert same_code.exit_code == ExitCode.DIFFERS, "the same analysis would have had it"


def test_another_analysis_with_other_figures_is_said_to_be_another(bundle: bytes, tmp_path: Path) -> None:
    result = verify(stored(resigned(bundle, a_key(), change_report, older), tmp_path))
    assert result.exit_code == ExitCode.DIFFERS
    assert "The analysis is of another version" in result.stdout


def unknown_field(files: Files) -> None:
    name = next(name for name in files if name.startswith("attempts/"))
    files[name] = json.dumps({**json.loads(files[name]), "cosmic_rays": 3}, allow_nan=False).encode()


def no_campaign(files: Files) -> None:
    files["record.json"] = json.dumps({**json.loads(files["record.json"]), "campaign": {"name": "x"}}).encode()


def odd_record(files: Files) -> None:
    files["record.json"] = json.dumps({**json.loads(files["record.json"]), "calibration": 7}).encode()


def unknown_file(files: Files) -> None:
    files["extra.json"] = b"{}"


def not_json(files: Files) -> None:
    files["report.json"] = b"[" * 100_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (unknown_field, "cannot be read by this version of Showdown: cosmic_rays"),
        (no_campaign, "this version of Showdown cannot read the campaign: datapaths"),
        (odd_record, "this version of Showdown cannot analyse its trials"),
        (unknown_file, "does not know what extra.json is"),
        (not_json, "report.json is not JSON"),
    ],
)
def test_what_this_version_cannot_analyse_is_said(change, words: str, bundle: bytes, tmp_path: Path) -> None:
    result = verify(stored(resigned(bundle, a_key(), change), tmp_path))
    assert result.exit_code == ExitCode.UNREADABLE, result.output
    assert words in result.stderr


def test_a_key_that_is_none_is_wrong_usage(bundle: bytes, tmp_path: Path) -> None:
    file = stored(bundle, tmp_path)
    for text in ("ed25519:short", "nothing", str(file)):
        assert verify(file, "--key", text).exit_code == ExitCode.USAGE
    assert verify(tmp_path / "absent").exit_code == ExitCode.USAGE


@pytest.mark.parametrize("file", sorted((ROOT / "tests" / "data").glob("bundle_v*.tar.gz")), ids=lambda file: file.name)
def test_a_bundle_of_each_format_can_still_be_analysed(file: Path) -> None:
    """What its report says may differ by now, and then the analysis must be another one. It must be readable."""
    found = verify_bundle(file)
    assert (found.attempts, found.trials) == (5, 10)
    assert found.is_same or not found.is_same_analysis
