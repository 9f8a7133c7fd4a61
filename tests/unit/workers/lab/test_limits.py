"""The limit of open files: what a program wants, what root can raise it to, or what the host allows."""

import resource
from pathlib import Path
from unittest.mock import Mock

import pytest

from workers.inventory.features import enough_files
from workers.lab import limits

REFUSED = Mock(side_effect=ValueError("not allowed to raise maximum limit"))


def hard_limit(monkeypatch: pytest.MonkeyPatch, hard: int, raising: Mock) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (512, hard))
    monkeypatch.setattr(resource, "setrlimit", raising)


@pytest.mark.parametrize(("hard", "given"), [(resource.RLIM_INFINITY, 5_000), (20_000, 5_000), (1_024, 1_024)])
def test_a_program_gets_what_it_wants_or_what_the_host_allows(
    monkeypatch: pytest.MonkeyPatch, hard: int, given: int
) -> None:
    hard_limit(monkeypatch, hard, REFUSED)
    assert limits.open_files(5_000) == given


def test_root_raises_the_hard_limit_that_its_programs_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    raising = Mock()
    hard_limit(monkeypatch, 1_024, raising)
    assert limits.open_files(5_000) == 5_000
    raising.assert_called_once_with(resource.RLIMIT_NOFILE, (512, 5_000))


def test_no_process_has_more_than_the_kernel_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    most, raising = int(Path("/proc/sys/fs/nr_open").read_text()), Mock()
    hard_limit(monkeypatch, 1_024, raising)
    assert limits.open_files(most + 1) == most
    raising.assert_called_once_with(resource.RLIMIT_NOFILE, (512, most))


def test_the_doctor_says_that_a_proxy_cannot_have_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    hard_limit(monkeypatch, 20_000, REFUSED)
    found = enough_files()
    assert not found.present
    assert found.reason == "a program may have 20,000 open files, and 10,000 connections need 60,400."
    assert "LimitNOFILE=" in found.remedy
    hard_limit(monkeypatch, 20_000, Mock())
    assert enough_files().present
