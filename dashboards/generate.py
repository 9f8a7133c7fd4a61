"""Writes Grafana's dashboards, one JSON file each, from the telemetry names in domain/.

``python -m dashboards.generate`` updates the files next to this one. If Showdown's web pages are not at the default
address, ``--web-url URL --directory DIRECTORY`` writes dashboards that link to yours.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from dashboards import campaign, hosts, kernel_latency, model
from dashboards.model import Json

DIRECTORY = Path(__file__).parent


def dashboards() -> dict[str, Json]:
    """Every dashboard by its file name."""
    return {
        "showdown.json": campaign.dashboard(),
        "kernel_latency.json": kernel_latency.dashboard(),
        "hosts.json": hosts.dashboard(),
    }


def text(dashboard: Json) -> str:
    """The content of a file."""
    return json.dumps(dashboard, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write(directory: Path, web_url: str = model.DEFAULT_WEB_URL) -> None:
    """Write every file. Raises ``OSError``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, dashboard in dashboards().items():
        (directory / name).write_text(text(model.with_web_url(dashboard, web_url)), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.generate", description="Write Grafana's dashboards.")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="output directory (default: %(default)s)")
    parser.add_argument(
        "--web-url", default=model.DEFAULT_WEB_URL, help="address of Showdown's web pages (default: %(default)s)"
    )
    given = parser.parse_args(arguments)
    url = urlsplit(given.web_url)
    if url.scheme not in ("http", "https") or not url.netloc or url.query or url.fragment:
        parser.error("--web-url must be http://HOST or https://HOST, with an optional port and path")
    write(given.directory, given.web_url.rstrip("/"))


if __name__ == "__main__":
    main()
