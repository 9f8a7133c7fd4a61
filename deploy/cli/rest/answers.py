"""What a coordinator's answers say: values of the domain, or the refusal in a problem document."""

from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from deploy.cli.errors import CommandError
from domain.hosts.protocol import decode
from domain.values.problems import Problem

M = TypeVar("M", bound=BaseModel)


def read_answer(kind: type[M], data: dict[str, Any], what: str) -> M:
    """An answer of the coordinator, without fields that only a newer one knows. Raises :class:`CommandError`."""
    try:
        return decode(kind, data, tolerant=True)
    except ValidationError as error:
        raise CommandError(f"{what} cannot be read; is the coordinator of the same version? {error}") from error


def error_of(answer: httpx.Response) -> tuple[str, list[Problem]]:
    """What a problem document says (RFC 9457), or an earlier coordinator's error; else the status."""
    try:
        data = answer.json()
        problems = [Problem.model_validate(problem) for problem in data.get("errors") or data.get("problems") or ()]
        return str(data.get("detail") or data.get("message") or answer.reason_phrase), problems
    except (ValueError, AttributeError, TypeError):
        return answer.reason_phrase or str(answer.status_code), []
