"""Problems of a TOML text have the numbers of their lines."""

import pytest

from domain.campaigns.campaign import read_campaign_toml
from domain.values.problems import InvalidInput, Problem
from domain.values.toml_lines import line_of

TEXT = """\
# datapaths = ["not here"]
name = "x"   # blocks = 7
datapaths = [
  "direct",  # "tproxy"
  "tproxi", "odd]",
  'last',
]
blocks = 0
parameters.stream.tokens = 5

[levels]
low = "shut(8)"
"high" = "closed(8)"

[parameters.bulk_upload]
body_bytes = 5
"""


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("name", 2), ("blocks", 8), ("datapaths", 3), ("datapaths.0", 4), ("datapaths.1", 5), ("datapaths.2", 5),
        ("datapaths.3", 6), ("datapaths.9", 3), ("levels", 11), ("levels.low", 12), ("levels.low.open.in_flight", 12),
        ("levels.high", 13), ("parameters.stream.tokens", 9), ("parameters.bulk_upload.body_bytes", 16),
        ("parameters.bulk_upload.other", 15), ("seed", None), ("campaign", None),
    ],
)  # fmt: skip
def test_the_line_of_a_field(field: str, line: int | None) -> None:
    assert line_of(TEXT, Problem(field=field, message="is wrong")) == line


@pytest.mark.parametrize("text", ["", "a = [", "= 1\n", "[", 'x = "\n', "a.b.c\n[[d]]\n", "\x00"])
def test_any_text_is_read(text: str) -> None:
    assert line_of(text, Problem(field="datapaths.0", message="is wrong")) is None


def test_the_parser_knows_its_line() -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_campaign_toml('name = "x"\n\nblocks = = 3\n')
    assert line_of("", refusal.value.problems[0]) == 3
