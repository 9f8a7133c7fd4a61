"""No page and no printed report shows Python: ``None``, ``nan``, tuples, objects, or numbers with seventeen digits."""

import html
import io
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from deploy.cli.shown.answer import print_answer
from deploy.cli.shown.render import print_report
from domain.reports.report import CampaignReport
from domain.reports.report_markdown import markdown_of
from tests.pictures.contents import Browser
from tests.pictures.example import Example
from tests.pictures.pages import PAGES
from tests.unit.coordinator.pages import FIGURES

PYTHON = re.compile(
    r"(?<![\w.])None(?= *(?:[,;.)\]}×]|$))|\bnan\b|\binf\b"
    r"|(?:^|[:=(\[,] ?)(?:True|False)(?=[,;)\]}]|$)"
    r"|\[\(|\{'|\['|'\]|\(\d+, '|<class |object at 0x|datetime\.|Error\("
    r"|(?<![\w.])\d+\.\d{7,}|\d\.\d+e[-+]?\d"
)
"""What must not be in a text that people read."""
_CODE = re.compile(r"(?s)<(pre|code|script|style|textarea)\b.*?</\1>")
_SAID = re.compile(r'(?:title|aria-label|alt|placeholder)="([^"]*)"')
_ONLY_A_NUMBER = re.compile(r"<td[^>]*>\s*(\d{5,})\s*</td>")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    example = Example(tmp_path_factory.mktemp("example"))
    yield Browser(example)
    example.at.close()


def texts(page: str) -> list[str]:
    """What a reader sees or hears, without examples of code."""
    bare = _CODE.sub(" ", page)
    seen = re.sub(r"<[^>]+>", "\n", bare).splitlines()
    return [html.unescape(one).strip() for one in (*seen, *_SAID.findall(bare)) if one.strip()]


def python_in(lines: list[str]) -> list[str]:
    return [one for one in lines if PYTHON.search(one)]


@pytest.mark.parametrize(
    "text", ["None", "p99: None", "nan µs", "[('a', 1)]", "0.30000000000000004", "1.2e+06", "(95, 'x')"]
)
def test_python_is_recognised(text: str) -> None:
    assert python_in([text])


@pytest.mark.parametrize("text", ["None came back.", "Linux 6.18.0", "1.23 ms", "information", "p < 0.001", "[1, 2]"])
def test_english_is_not(text: str) -> None:
    assert not python_in([text])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_shows_python(pages: Browser, page) -> None:
    text = pages.html(page)
    assert python_in(texts(text)) == []
    assert _ONLY_A_NUMBER.findall(text) == [], "thousands are separated"


@pytest.mark.parametrize("figure", FIGURES)
def test_no_figure_of_the_table_shows_python(pages: Browser, figure: str) -> None:
    answer = pages.client(PAGES[1]).get(f"/campaigns/{pages.example.first}{figure}")
    assert python_in(texts(answer.text)) == []


def test_no_report_shows_python(pages: Browser) -> None:
    at = pages.example.at
    for campaign_id in (pages.example.first, pages.example.failing, pages.example.running):
        report = CampaignReport.model_validate(at.get(f"campaigns/{campaign_id}/report").json)
        printed = io.StringIO()
        print_answer(report, Console(file=printed, width=100), rest="")
        print_report(report, Console(file=printed, width=100))
        lines = [*printed.getvalue().splitlines(), *markdown_of(report).splitlines()]
        assert len(lines) > 20
        assert python_in(lines) == []
    file = pages.client(PAGES[1]).get(f"/campaigns/{pages.example.first}/report.html")
    assert python_in(texts(file.text)) == []
