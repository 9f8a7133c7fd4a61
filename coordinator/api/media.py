"""Answers that are not JSON, as the OpenAPI document describes them."""

from typing import Any

Responses = dict[int | str, dict[str, Any]]


def _answer(description: str, mimetype: str) -> Responses:
    return {200: {"description": description, "content": {mimetype: {"schema": {"type": "string"}}}}}


SVG = _answer("SVG", "image/svg+xml")
TEXT = _answer("Lines of text", "text/plain")
CSV = _answer("CSV", "text/csv")
MARKDOWN = _answer("Markdown", "text/markdown")
JUNIT = _answer("JUnit XML", "application/xml")
HLOG = _answer("HdrHistogram log", "text/plain")
BUNDLE = _answer("Signed bundle", "application/gzip")
