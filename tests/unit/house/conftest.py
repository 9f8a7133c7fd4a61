"""An empty repository for each test of a check."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import house_links


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    yield tmp_path
    house_links.cached_anchors.cache_clear()
