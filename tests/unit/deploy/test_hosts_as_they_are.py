"""Directories, locales and environments as users have them do not change what the command line does."""

import os
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from kombu import Connection
from kombu.utils.url import url_to_parts

from coordinator.config import load_settings, sqlite_url
from coordinator.store.rows.database import Store
from deploy.stack.private_redis import PrivateRedis
from deploy.stack.servers import influxd_config
from deploy.stack.stack import SHOWDOWN

NAMES = ["plain", "hash#1", "q?x", "pct%41", "my dir", "at@home", "ünï", 'quote"d', "semi;colon", "a&b=c"]


@pytest.mark.parametrize("name", NAMES)
def test_the_database_is_inside_its_directory_whatever_its_name(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    settings = load_settings({"SHOWDOWN_STATE_DIR": str(directory)})
    store = Store(settings.database_url)
    store.migrate()
    store.close()
    assert {path.name for path in tmp_path.iterdir()} == {name}
    with sqlite3.connect(directory / "showdown.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM campaigns").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize("name", NAMES)
def test_redis_is_asked_on_the_socket_that_was_named(tmp_path: Path, name: str) -> None:
    socket = tmp_path / name / "redis.sock"
    socket.parent.mkdir()
    with Connection(PrivateRedis(socket.parent, socket).url) as connection:
        assert "/" + url_to_parts(connection.hostname).path == str(socket)  # as kombu's Redis transport reads it


@pytest.mark.parametrize("name", NAMES)
def test_influxd_gets_the_directory_that_was_named(tmp_path: Path, name: str) -> None:
    config = tomllib.loads(influxd_config(tmp_path / name, http_port=1, rpc_port=2))
    assert config["meta"]["dir"] == str(tmp_path / name / "meta")


def test_a_plain_name_gives_the_usual_url(tmp_path: Path) -> None:
    assert sqlite_url(Path("/var/lib/showdown/showdown.sqlite")) == "sqlite:////var/lib/showdown/showdown.sqlite"


def test_python_files_of_the_working_directory_are_not_imported(tmp_path: Path) -> None:
    for name in ("deploy", "redis", "gunicorn", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the user’s file was run')\n", encoding="utf-8")
    done = subprocess.run([*SHOWDOWN, "workloads"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def locale_of(kind: str, directory: Path) -> dict[str, str]:
    """The environment of a real locale: C, or one of Latin-1 that is made for the test where its sources are there."""
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    if kind == "ANSI_X3.4-1968":
        return plain
    argv = ["localedef", "-i", "en_US", "-f", kind, str(directory / "en_US")]
    if not Path("/usr/share/i18n/locales/en_US").exists() or subprocess.run(argv, capture_output=True).returncode:
        pytest.skip("needs the package locales")
    return plain | {"LC_ALL": "en_US", "LOCPATH": str(directory)}


@pytest.mark.parametrize("charset", ["ANSI_X3.4-1968", "ISO-8859-1"])
def test_commands_work_in_a_locale_that_is_not_utf8(tmp_path: Path, charset: str) -> None:
    environment = {**os.environ, **locale_of(charset, tmp_path)}
    asked = "import locale; print(locale.nl_langinfo(locale.CODESET))"
    argv = [sys.executable, "-c", f"import locale; locale.setlocale(locale.LC_ALL, ''); {asked}"]
    assert subprocess.run(argv, env=environment, capture_output=True, text=True).stdout.strip() == charset
    for command in (["workloads"], ["--help"], ["run", str(tmp_path / "größe.toml")]):
        done = subprocess.run([*SHOWDOWN, *command], env=environment, capture_output=True)
        assert b"Traceback" not in done.stderr, done.stderr
        assert b"Encode" not in done.stderr, done.stderr
        assert done.returncode == (2 if command[0] == "run" else 0), done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_no_character_ends_a_command_on_a_terminal_without_it(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    code = (
        "from rich.console import Console\nfrom deploy.cli.main import prepare_process\n"
        "prepare_process()\nConsole().print('1 – 2 µs')\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding).startswith("1 ? 2")
