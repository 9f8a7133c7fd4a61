"""``make test`` sums up its parts truly: no failure of any part is lost."""

from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from tests import conftest
from tests.suite import parts as suite

CASES = """
import pytest
def test_good(): pass
def test_bad(): assert {good}
@pytest.mark.skip(reason="not today")
def test_skipped(): pass
@pytest.fixture
def broken():
    assert {good}
def test_error(broken): pass
"""


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts need no plugin, and start faster without."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def parts(directory: Path, **good: bool) -> dict[str, list[str]]:
    """Parts of one file each, which pass or not."""
    (directory / "pytest.ini").write_text("[pytest]\n")
    for name, passes in good.items():
        (directory / f"test_{name}.py").write_text(CASES.format(good=passes))
    return {name: ["-p", "no:cacheprovider", str(directory / f"test_{name}.py")] for name in good}


@pytest.mark.parametrize("bad", ["one", "two", ""])
def test_one_part_that_fails_fails_all_and_the_others_still_run(
    bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suite, "PARTS", parts(tmp_path, one=bad != "one", two=bad != "two"))
    assert suite.main([]) == (1 if bad else 0)
    out, _ = capfd.readouterr()
    last = out.splitlines()[-1]
    assert ("1 failed, 4 passed, 2 skipped, 1 errors in " if bad else "6 passed, 2 skipped in ") in last
    assert out.count(" passed") == 1, "the total is the only such line"
    assert [line for line in out.splitlines() if line.startswith("FAILED")] == [
        line for line in out.splitlines() if f"test_{bad or 'none'}.py::test_bad" in line and line[0] == "F"
    ]


def test_a_part_may_be_empty_but_not_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = parts(tmp_path, one=True)
    empty = {"empty": [*some["one"], "-k", "nothing"]}
    monkeypatch.setattr(suite, "PARTS", some | empty)
    assert suite.main([]) == 0
    monkeypatch.setattr(suite, "PARTS", empty)
    assert suite.main([]) == 1


def test_a_part_that_breaks_before_its_first_test_fails_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "PARTS", {"gone": [str(tmp_path / "nowhere.py")]})
    assert suite.main([]) == 1


@pytest.mark.parametrize("marks", [set(), {"kernel"}, {"alone"}, {"e2e", "alone"}])
def test_every_test_is_in_one_part_exactly(marks: set[str]) -> None:
    expressions = [Expression.compile(part[part.index("-m") + 1]) for part in suite.PARTS.values()]
    assert sum(one.evaluate(lambda name, **_: name in marks) for one in expressions) == 1


def test_no_directory_of_tests_is_left_out() -> None:
    root = Path(__file__).parents[2]
    files = list(root.glob("tests/**/test_*.py"))
    assert len(files) > 100
    assert [path for path in files if not any(path.is_relative_to(root / name) for name in suite.DIRECTORIES)] == []


def test_the_total_is_said_in_minutes_too() -> None:
    assert suite.summary({"passed": 3}, 61.2) == "== 3 passed in 61.2s (1:01) =="
    assert suite.summary({"failures": 1, "errors": 2, "skipped": 4}, 5) == (
        "== 1 failed, 0 passed, 4 skipped, 2 errors in 5.0s (0:05) =="
    )


def test_files_with_tests_that_run_alone_are_found_by_their_text(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/test_alone.py").write_text("@pytest.mark.alone\ndef test_it(): pass\n")
    (tmp_path / "test_beside.py").write_text("def test_alone(): pass\n")
    assert suite.marked([".", "deep"], tmp_path) == [str(tmp_path / "deep/test_alone.py")]
    assert len(suite.marked(suite.DIRECTORIES)) >= 5


def test_a_mark_that_the_text_of_the_file_does_not_show_is_refused(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file, parent = tmp_path / "test_hidden.py", request.session
    file.write_text("@getattr(pytest.mark, 'alone')\ndef test_it(): pass\n")
    module = pytest.Module.from_parent(parent, path=file)
    item = pytest.Function.from_parent(module, name="test_it", callobj=lambda: None)
    conftest.pytest_collection_modifyitems([item])
    item.add_marker("alone")
    with pytest.raises(pytest.UsageError, match=r"write pytest\.mark\.alone in this file"):
        conftest.pytest_collection_modifyitems([item])


def test_python_keeps_compiled_modules_whatever_the_shell_says() -> None:
    assert suite.environment({"PATH": "/bin", "PYTHONDONTWRITEBYTECODE": "1"}) == {"PATH": "/bin"}
