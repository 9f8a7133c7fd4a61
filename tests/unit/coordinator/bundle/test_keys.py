"""The key of an installation: made once, readable by its user only, shown everywhere alike."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from coordinator.api import bundles
from coordinator.bundle.keys import KeyUnusable, PublicKey, signing_key
from coordinator.config import SettingsError, load_settings, signing_key_file
from deploy.cli.errors import ExitCode
from deploy.cli.main import main
from tests.unit.coordinator.access.callers import new_share
from tests.unit.coordinator.bundle.bundles import a_key, finished
from tests.unit.coordinator.coordinator_app import CoordinatorApp


def test_it_is_made_at_its_first_use_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "state" / "signing-key.pem"
    made = signing_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert signing_key(file).public.text == made.public.text
    assert [one.name for one in file.parent.iterdir()] == [file.name], "no temporary file is left"
    assert made.public.has_signed(b"message", signing_key(file).sign(b"message"))
    assert not made.public.has_signed(b"another", made.sign(b"message"))
    assert not a_key().public.has_signed(b"message", made.sign(b"message"))


def test_a_key_that_cannot_be_trusted_is_not_used(tmp_path: Path) -> None:
    signing_key(tmp_path / "real.pem")
    (tmp_path / "link.pem").symlink_to(tmp_path / "real.pem")
    (tmp_path / "text.pem").write_text("no key")
    for name in ("link.pem", "text.pem"):
        with pytest.raises(KeyUnusable, match=name):
            signing_key(tmp_path / name)


def test_a_public_key_is_text_or_pem() -> None:
    public = a_key().public
    assert PublicKey.parse(f" {public.text}\n").text == public.text
    assert PublicKey.parse(public.pem).text == public.text
    for text in ("", "ed25519:", "ed25519:%%", "ed25519:AAAA", "-----BEGIN PUBLIC KEY-----\nx"):
        with pytest.raises(ValueError):
            PublicKey.parse(text)


def test_command_page_and_rest_show_the_same_key(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    os.environ["SHOWDOWN_STATE_DIR"] = str(coordinator_app.settings.state_dir)
    printed = CliRunner().invoke(main, ["key"]).stdout.strip()
    answer = coordinator_app.get("key").json
    assert answer == {"algorithm": "ed25519", "public_key": printed, "pem": answer["pem"]}
    assert CliRunner().invoke(main, ["key", "--pem"]).stdout == answer["pem"]
    campaign_id = finished(coordinator_app, blocks=1)
    page = browser.get(f"/campaigns/{campaign_id}/configuration").text
    assert f"showdown verify {campaign_id}-bundle.tar.gz --key {printed}" in page.replace("&#43;", "+")
    assert f"/api/v1/campaigns/{campaign_id}/histograms.hlog?cell=tproxy.http_keepalive.low" in page
    assert f"/api/v1/campaigns/{campaign_id}/bundle.tar.gz" in browser.get(f"/campaigns/{campaign_id}").text


def test_a_campaign_that_runs_has_no_bundle_yet(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    answer = coordinator_app.get(f"campaigns/{campaign_id}/bundle.tar.gz")
    assert (answer.status_code, answer.json["code"]) == (409, "campaign_not_ended")
    assert "bundle" not in browser.get(f"/campaigns/{campaign_id}").text
    assert coordinator_app.get("campaigns/nosuch/bundle.tar.gz").status_code == 404


@pytest.mark.parametrize(("visits", "at_once"), [(False, 2), (True, 1)])
def test_few_bundles_are_packed_at_once_and_visitors_leave_a_place(
    visits: bool, at_once: int, coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id, pack = finished(coordinator_app, blocks=1), bundles.write_bundle
    path, visitor = f"campaigns/{campaign_id}/bundle.tar.gz", coordinator_app.app.test_client()
    visitor.post("/shared", data={"secret": new_share(coordinator_app, campaign_id)["secret"]})
    found: list[tuple[int, str | None]] = []

    def ask(*, as_visitor: bool) -> None:
        with visitor.get(f"/api/v1/{path}") if as_visitor else coordinator_app.get(path) as answer:
            found.append((answer.status_code, answer.headers.get("Retry-After")))

    def packing(*given: Any) -> Any:
        ask(as_visitor=visits)
        return pack(*given)

    monkeypatch.setattr(bundles, "write_bundle", packing)
    ask(as_visitor=visits)
    assert found == [(503, "10"), *[(200, None)] * at_once], "the last one that was asked for is answered first"
    found.clear()
    ask(as_visitor=visits)
    assert found[-1] == (200, None), "there is room again"
    assert coordinator_app.get("campaigns/nosuch/bundle.tar.gz").status_code == 404


def test_without_a_usable_key_nothing_is_signed(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    campaign_id = finished(coordinator_app, blocks=1)
    coordinator_app.settings.signing_key_file.write_text("no key")
    for path in ("key", f"campaigns/{campaign_id}/bundle.tar.gz"):
        answer = coordinator_app.get(path)
        assert answer.status_code == 503
        assert "signing-key.pem cannot be used" in answer.json["detail"]
    assert "showdown verify" not in browser.get(f"/campaigns/{campaign_id}/configuration").text


def test_a_setting_moves_the_key(tmp_path: Path) -> None:
    environ = {"SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_SIGNING_KEY": str(tmp_path / "other.pem")}
    assert load_settings(environ).signing_key_file == signing_key_file(environ) == tmp_path / "other.pem"
    for read in (load_settings, signing_key_file):
        with pytest.raises(SettingsError, match="SHOWDOWN_SIGNING_KEY"):
            read({"SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_SIGNING_KEY": "other.pem"})
    os.environ |= {"SHOWDOWN_SIGNING_KEY": "other.pem"}
    assert CliRunner().invoke(main, ["key"]).exit_code == ExitCode.USAGE
