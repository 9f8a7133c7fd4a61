"""From the environment to settings: defaults, stored secrets, and errors that name the variable."""

import json
import logging
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from gunicorn.app.wsgiapp import WSGIApplication
from sqlalchemy import make_url

from coordinator.cli import coordinator, serve
from coordinator.config import Settings, SettingsError, load_settings
from coordinator.logs import configure
from domain.service.jobs import HEARTBEAT_S

TOKENS = {
    "SHOWDOWN_TOKEN": "u" * 20,
    "SHOWDOWN_WORKER_TOKEN": "w" * 20,
    "SHOWDOWN_SECRET_KEY": "s" * 20,
}


def load(tmp_path: Path, **more: str) -> Settings:
    return load_settings({"SHOWDOWN_STATE_DIR": str(tmp_path / "state")} | more)


def test_the_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path}/state/showdown.sqlite"
    assert settings.broker_url == "redis://127.0.0.1:6379/0"
    assert (settings.influx.url, settings.influx.bucket, settings.grafana_url) == ("", "showdown", "")


def test_no_log_shows_a_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = TOKENS | {
        "SHOWDOWN_INFLUX_TOKEN": "reader:correct-horse", "SHOWDOWN_WEBHOOK_SECRET": "battery-staple-16",
    }  # fmt: skip
    (tmp_path / "oidc").write_text("tr0ub4dor-and-3\n")
    others = {
        "SHOWDOWN_INFLUX_URL": "http://localhost:8086", "SHOWDOWN_WEBHOOK_HOSTS": "hooks.example.com",
        "SHOWDOWN_SMTP_URL": "smtp://showdown:hunter2-hunter2@mail.example.com", "SHOWDOWN_MAIL_FROM": "a@example.com",
        "SHOWDOWN_MAIL_TO": "@example.com", "SHOWDOWN_WEB_URL": "https://showdown.example.com",
        "SHOWDOWN_OIDC_ISSUER": "https://id.example.com", "SHOWDOWN_OIDC_CLIENT_ID": "showdown",
        "SHOWDOWN_OIDC_READ": "@example.com", "SHOWDOWN_OIDC_SECRET_FILE": str(tmp_path / "oidc"),
    }  # fmt: skip
    words = [*secrets.values(), "correct-horse", "hunter2-hunter2", "tr0ub4dor-and-3"]
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    for kind in ("text", "json"):
        configure(load(tmp_path, **secrets, **others), {"SHOWDOWN_LOG_FORMAT": kind})
        logging.getLogger("coordinator.test").error("in %s: %s", kind, " and ".join(words))
        line = capsys.readouterr().err
        assert f"in {kind}: " in line
        assert [word for word in words if word in line] == []


def test_secrets_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    first, second = load(tmp_path), load(tmp_path)
    assert first.token_is_new
    assert not second.token_is_new
    assert (first.token, first.secret_key) == (second.token, second.secret_key)
    assert first.token != first.secret_key
    assert all(len(s) >= 32 for s in (first.token, first.secret_key))
    assert stat.S_IMODE((tmp_path / "state" / "secrets.json").stat().st_mode) == 0o600
    assert first.token not in repr(first)


def test_no_token_for_enrolment_is_drawn_and_one_of_an_earlier_version_still_enrols(tmp_path: Path) -> None:
    assert load(tmp_path).worker_token == ""
    file = tmp_path / "state" / "secrets.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"worker_token": "w" * 20}))
    assert load(tmp_path).worker_token == "w" * 20
    assert load(tmp_path, SHOWDOWN_WORKER_TOKEN="v" * 20).worker_token == "v" * 20


def test_two_processes_starting_at_once_agree(tmp_path: Path) -> None:
    barrier, found = threading.Barrier(6), []

    def start() -> None:
        barrier.wait()
        found.append(load(tmp_path))

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({s.token for s in found}) == 1
    assert [s.token_is_new for s in found].count(True) == 1
    assert [p.name for p in (tmp_path / "state").iterdir()] == ["secrets.json"]


def test_the_second_of_two_that_write_leaves_the_first_ones_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(tmp_path)
    monkeypatch.setattr(Path, "exists", lambda path: False)  # as if the first one wrote just after it looked
    second = load(tmp_path)
    assert (first.token_is_new, second.token_is_new) == (True, False)
    assert second.token == first.token
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["secrets.json"]


def test_given_secrets_are_used_and_nothing_is_kept(tmp_path: Path) -> None:
    settings = load(tmp_path, **TOKENS)
    assert (settings.token, settings.worker_token, settings.secret_key) == tuple(TOKENS.values())
    assert not settings.token_is_new
    assert list((tmp_path / "state").iterdir()) == []


def test_postgresql_uses_the_driver_that_is_installed(tmp_path: Path) -> None:
    for scheme in ("postgresql", "postgres"):
        settings = load(tmp_path, SHOWDOWN_DATABASE_URL=f"{scheme}://u@db/x")
        assert settings.database_url == "postgresql+psycopg://u@db/x"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SHOWDOWN_TOKEN", "short"),
        ("SHOWDOWN_WORKER_TOKEN", "short"),
        ("SHOWDOWN_SECRET_KEY", "short"),
        ("SHOWDOWN_DATABASE_URL", "mysql://x"),
        ("SHOWDOWN_BROKER_URL", "amqp://x"),
        ("SHOWDOWN_INFLUX_URL", "localhost:8086"),
        ("SHOWDOWN_GRAFANA_URL", "javascript:alert(1)"),
        ("SHOWDOWN_WEB_URL", "showdown.example"),
        ("SHOWDOWN_SECURE_COOKIES", "perhaps"),
        ("SHOWDOWN_STATE_DIR", "relative/path"),
        ("SHOWDOWN_STATE_DIR", "/proc/nosuch/state"),
    ],
)
def test_errors_name_the_variable(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        load_settings({"SHOWDOWN_STATE_DIR": str(tmp_path / "state")} | TOKENS | {variable: value})


def test_a_broken_secrets_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "secrets.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"secrets\.json"):
        load(tmp_path)


def test_the_first_start_says_where_the_token_is_and_the_second_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (*TOKENS, "SHOWDOWN_DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    first = CliRunner().invoke(coordinator, ["migrate"])
    assert first.exit_code == 0, first.output
    assert str(tmp_path / "secrets.json") in first.stderr
    assert load_settings().token not in first.stderr  # which is no terminal
    assert (tmp_path / "showdown.sqlite").exists()
    second = CliRunner().invoke(coordinator, ["migrate"])
    assert (second.exit_code, second.stderr) == (0, "")


def test_a_bad_setting_is_an_error_message_not_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", "relative")
    answer = CliRunner().invoke(coordinator, ["migrate"])
    assert answer.exit_code == 1
    assert "SHOWDOWN_STATE_DIR" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_log_format_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("SHOWDOWN_LOG_FORMAT", "xml")
    answer = CliRunner().invoke(coordinator, ["migrate"])
    assert answer.stderr == "Error: SHOWDOWN_LOG_FORMAT must be text or json\n"


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "192.0.2.1:80"])
def test_an_address_that_cannot_be_bound_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bind: str
) -> None:
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    answer = CliRunner().invoke(serve, ["--bind", bind])
    assert answer.exit_code == 1
    assert answer.stderr.splitlines()[-1].startswith(f"Error: {bind}") or "is not an address" in answer.stderr


def test_an_address_that_is_taken_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        answer = CliRunner().invoke(serve, ["--bind", bind])
    assert answer.stderr.splitlines()[-1] == (
        f"Error: {bind} cannot be used: Address already in use; choose another --bind"
    )


def test_connections_outlive_the_pause_between_heartbeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    started: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("coordinator.cli.os.execve", lambda _path, argv, _environment: started.append(argv))
    assert CliRunner().invoke(serve, ["--bind", "127.0.0.1:0"]).exit_code == 0
    (argv,) = started
    assert float(argv[argv.index("--keep-alive") + 1]) > 10 * HEARTBEAT_S


def test_the_server_is_one_process_whatever_the_environment_asks_of_gunicorn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the limits of sign-ins, and the reports that this process keeps, hold for the whole coordinator."""
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--workers 4")
    monkeypatch.chdir(tmp_path)
    started: list[list[str]] = []
    monkeypatch.setattr("coordinator.cli.os.execve", lambda _path, argv, _environment: started.append(argv))
    assert CliRunner().invoke(serve, ["--bind", "127.0.0.1:0"]).exit_code == 0
    (argv,) = started
    monkeypatch.setattr("sys.argv", argv[argv.index("gunicorn") :])
    assert WSGIApplication().cfg.workers == 1


def test_a_relative_database_is_in_the_directory_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place := tmp_path / "a#b").mkdir()
    monkeypatch.chdir(place)
    url = load(tmp_path, SHOWDOWN_DATABASE_URL="sqlite:///mine.sqlite").database_url
    assert make_url(url).database == str(place / "mine.sqlite")
    for same in ("sqlite:////var/x.sqlite", "sqlite:///:memory:", "postgresql+psycopg://u@h/d"):
        assert load(tmp_path, SHOWDOWN_DATABASE_URL=same).database_url == same


def test_the_server_imports_nothing_from_the_users_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place := tmp_path / "place").mkdir()
    for name in ("flask", "sqlalchemy", "redis", "coordinator", "concurrent"):
        (place / f"{name}.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.chdir(place)
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path / "state"))
    done: list[subprocess.CompletedProcess[str]] = []

    def check(_path: str, argv: list[str], environment: dict[str, str]) -> None:
        done.append(subprocess.run([*argv, "--check-config"], env=environment, capture_output=True, text=True))

    monkeypatch.setattr("coordinator.cli.os.execve", check)
    assert CliRunner().invoke(serve, ["--bind", "127.0.0.1:0"]).exit_code == 0
    assert (done[0].returncode, done[0].stdout) == (0, ""), done[0].stderr
