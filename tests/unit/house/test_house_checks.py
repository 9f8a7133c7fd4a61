"""Each check of the house finds what breaks its rule, and says nothing of what keeps it."""

import subprocess
from pathlib import Path

import pytest

from tests.house import (
    house_children,
    house_commits,
    house_errors,
    house_links,
    house_privates,
    house_sizes,
    house_words,
)
from tests.house.findings import ROOT, Finding, report
from tests.unit.house.repositories import whats, write


def test_links_that_lead_nowhere_are_found(repository: Path) -> None:
    write(repository, "docs/there.md", "# There\n\n## A `part`: of it\n")
    write(
        repository,
        "docs/page.md",
        "[there](there.md) [part](there.md#a-part-of-it) [here](#here) [web](https://example.org/x)\n"
        "[gone](gone.md) and [no part](there.md#nothing)\n"
        "```\n[in code](nowhere.md)\n```\n"
        "# Here\n",
    )
    assert whats(house_links.findings(repository)) == [
        ("docs/page.md", 2, "the link 'gone.md' leads nowhere"),
        ("docs/page.md", 2, "the link 'there.md#nothing' has no such heading at its end"),
    ]


def test_paths_in_backticks_must_exist(repository: Path) -> None:
    write(repository, "bpf/probes/one.c", "")
    write(repository, "bpf/include/one.h", "")
    write(
        repository,
        "page.md",
        "`bpf/probes/one.c` `bpf/probes/NAME.c` `bpf/{probes,include}/` `bpf/**/*.h` `other/gone.c` `git status`\n"
        "`bpf/probes/two.c`\n"
        "`bpf/{probes,gone}/`\n",
    )
    assert whats(house_links.findings(repository)) == [
        ("page.md", 2, "there is no 'bpf/probes/two.c'"),
        ("page.md", 3, "there is no 'bpf/{probes,gone}/'"),
    ]


def python_function(name: str, lines: int) -> str:
    return f"def {name}():\n" + "    x = 1\n" * (lines - 1)


def c_function(head: str, lines: int) -> str:
    return f"{head}\n{{\n" + "\tx = 1;\n" * (lines - 3) + "}\n"


def test_long_files_and_functions_are_found(repository: Path) -> None:
    write(repository, "long.py", "x = 1\n" * 301)
    write(repository, "fits.py", "x = 1\n" * 300)
    write(repository, "functions.py", python_function("fits", 40) + python_function("too_long", 41))
    write(
        repository,
        "functions.c",
        "int declared(int x);\n\nstruct shape {\n" + "\tint x;\n" * 50 + "};\n\n"
        + c_function("static int fits(int x)", 40)
        + c_function("static inline struct shape *\nfind(int x,\n     int y)", 43)
        + c_function("RAW_TRACEPOINT_PROBE(event)", 41),
    )  # fmt: skip
    assert whats(house_sizes.findings(repository)) == [
        ("functions.c", 97, "find has 44 lines"),
        ("functions.c", 141, "RAW_TRACEPOINT_PROBE has 41 lines"),
        ("functions.py", 41, "too_long has 41 lines"),
        ("long.py", 1, "the file has 301 lines"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.js", "(() => {\n{lines}})();\n", []),
        ("a.js", "const charts = (() => {\n{lines}})();\n", []),
        ("a.js", "(() => {\n  const find = async (x, y) => {\n{lines}  };\n})();\n", [(2, "find has 42 lines")]),
        ("a.js", "function find(x) {\n{lines}}\n", [(1, "find has 42 lines")]),
        (
            "a.js",
            '  on("}", (x) => {\n    a("{", \'}\', /[{}/]/); // }\n{lines}  });\n',
            [(1, "a function has 43 lines")],
        ),
        ("a.sh", "find() {\n{lines}}\n", [(1, "find has 42 lines")]),
        ("a.sh", "{lines}", []),
        ("a.sh", "find() {\n}\n{lines}}\n", []),
        ("a.c", "int find(int x);\n{lines}}\n", []),
        ("a.c", "int find(int x)\n{\n#if DEBUG\n}\n{lines}}\n", []),
    ],
)
def test_long_functions_of_scripts_are_found(
    repository: Path, name: str, text: str, found: list[tuple[int, str]]
) -> None:
    write(repository, name, text.replace("{lines}", "x;\n" * 40))
    assert [(one.line, one.what) for one in house_sizes.findings(repository)] == found


def test_a_stranger_reads_the_readme_to_its_end(repository: Path) -> None:
    write(repository, "README.md", "A line.\n" * 150)
    assert not whats(house_sizes.findings(repository))
    write(repository, "README.md", "A line.\n" * 151)
    assert whats(house_sizes.findings(repository)) == [("README.md", 1, "the file has 151 lines")]


def test_a_migration_may_be_long(repository: Path) -> None:
    write(repository, "coordinator/store/migrations/versions/0001_a.py", python_function("upgrade", 99))
    assert not whats(house_sizes.findings(repository))


def test_forbidden_words_are_found_in_code_documents_and_pages(repository: Path) -> None:
    write(repository, "a.py", "stood_ns = 1  # It has been told.\nforetold = understood = 2\n")
    write(repository, "b.html", "<p>The weather, and Whoever asks.</p>\n")
    write(repository, "workers/lab/c.py", "# ledgered\n")
    write(repository, "probes/c.py", "# a ledger\n")
    found = list(house_words.findings(repository))
    assert whats(iter(sorted(found))) == [
        ("a.py", 1, "'stood'"),
        ("a.py", 1, "'told'"),
        ("b.html", 1, "'Whoever'"),
        ("b.html", 1, "'weather'"),
        ("workers/lab/c.py", 1, "'ledgered'"),
    ]
    assert next(one for one in found if one.what == "'weather'").cure == "use host noise"


def test_each_word_has_what_to_write_and_each_exception_its_reason() -> None:
    import tomllib

    for row in tomllib.loads(house_words.WORDS.read_text())["word"]:
        assert row["use"]
        assert all(one["path"] and one["reason"] for one in row.get("but", ()))


def test_a_pattern_is_looked_for_by_how_each_of_its_alternatives_begins() -> None:
    assert house_words.stems_of("told|stands? still|pass(?:es|ed) by|whom") == ("told", "stand", "pass", "whom")
    assert house_words.stems_of(r"\(DESIGN") == ("",)


def test_private_names_of_others_are_found_in_tests(repository: Path) -> None:
    text = (
        "from tests import _rig\n"
        "from workers.lab.lab import _build\n"
        "class A:\n"
        "    def b(self) -> None:\n"
        "        self._mine = os._exit\n"
        "        self.lab._indexes = getattr(lab, '_devices')\n"
        "monkeypatch.setattr('workers.lab.lab._libc', None)\n"
        "monkeypatch.setattr('workers._rig.PAUSE_S', named._replace(one=1))\n"
    )
    write(repository, "tests/unit/test_a.py", text)
    write(repository, "workers/lab/lab.py", text)
    assert whats(house_privates.findings(repository)) == [
        ("tests/unit/test_a.py", 2, "_build is private"),
        ("tests/unit/test_a.py", 6, "_devices is private"),
        ("tests/unit/test_a.py", 6, "_indexes is private"),
        ("tests/unit/test_a.py", 7, "_libc is private"),
    ]


def test_each_exception_for_private_names_is_still_needed() -> None:
    for name, private in house_privates.EXCEPTIONS:
        assert private in {one for _, one in house_privates.private_names((ROOT / name).read_text())}


@pytest.mark.parametrize(
    ("subject", "wrong"),
    [
        ("Add a check of links", []),
        ("bpf: Move the counter into one header", []),
        ("Feed the parser byte by byte", []),
        ("Added a check", ["'added' is no imperative"]),
        ("README: a run of today's", ["'a' is no imperative"]),
        ("Fix the lease.", ["a period at the end"]),
        ("Move " + "x" * 68, ["73 characters"]),
        ("Filters and shapers", ["'filters' is a noun or no imperative"]),
        ("Filters, shapers, TLS; people, rules", ["'filters' is a noun or no imperative"]),
        ("Pass the label, focus on it", []),
        ("Focus, filter and list", []),
        ("Moving files.", ["a period at the end", "'moving' is no imperative"]),
    ],
)
def test_commit_subjects(subject: str, wrong: list[str]) -> None:
    assert [what for what, _ in house_commits.problems(subject)] == wrong


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("text = f'{type(error).__name__}: no'", ["a text names the class of an exception"]),
        ("text = f'haproxy is gone: {error}'", ["a text has 'error' as it is"]),
        ("text = str(error)", ["a text has 'error' as it is"]),
        ("log.warning(f'{type(error).__name__}: {error}')", []),
        ("text = f'haproxy is gone: {error_text(error)}'", []),
    ],
)
def test_texts_have_no_raw_errors(body: str, wrong: list[str]) -> None:
    for caught in ("OSError", "(LabError, OSError)", "httpx.HTTPError"):
        text = f"try:\n    pass\nexcept {caught} as error:\n    {body}\n"
        assert [what for _, what in house_errors.raw_errors(text)] == wrong
    assert list(house_errors.raw_errors("try:\n    pass\nexcept OwnError as error:\n    text = str(error)\n")) == []


def test_commits_are_read_since_a_base(repository: Path) -> None:
    def commit(subject: str) -> None:
        author = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "core.hooksPath=/dev/null"]
        command = ["git", *author, "commit", "-q", "--allow-empty", "-m", subject]
        subprocess.run(command, cwd=repository, check=True)

    for subject in ("Added before the base", "Add a file", "Fixed a file"):
        commit(subject)
    found = list(house_commits.findings("HEAD~2", root=repository))
    assert [one.what for one in found] == ["'fixed' is no imperative: 'Fixed a file'"]


def test_findings_are_printed_with_their_cure(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([]) == 0
    assert report([Finding("b.py", 2, "'told'", "use reported"), Finding("a.py", 1, "x", "y")]) == 1
    assert capsys.readouterr().out == "a.py:1: x — y\nb.py:2: 'told' — use reported\n"


def test_children_and_requests_that_obey_the_environment_are_found(repository: Path) -> None:
    text = (
        "httpx.get(url)\n"
        "httpx.post(url, trust_env=False)\n"
        "subprocess.run(argv)\n"
        "subprocess.run(argv, env=own, text=True)\n"
        "subprocess.Popen(argv, env=own)\n"
        'argv = [sys.executable, "-m", "module"]\n'
        'argv = [sys.executable, *PYTHON_OPTIONS, "-m", "module"]\n'
    )
    write(repository, "workers/one.py", text)
    write(repository, "tests/one.py", text)
    found = whats(house_children.findings(repository))
    assert [(line, what) for path, line, what in found if path == "workers/one.py"] == [
        (1, "httpx.get obeys proxies of the environment"),
        (3, "subprocess.run hands the whole environment on"),
        (4, "subprocess.run reads text in the locale's encoding"),
        (6, "python -m imports from the working directory"),
    ]
    assert [line for path, line, _ in found if path == "tests/one.py"] == [1]
