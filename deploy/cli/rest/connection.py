"""The connection to a coordinator's REST interface: requests, answers, and the error for each bad answer."""

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any, Self

import httpx

from deploy.cli.errors import CampaignInvalid, CommandError, Unreachable, UsageProblem
from deploy.cli.rest.answers import error_of, read_answer
from domain.service.trouble import Readiness
from domain.values.names import HOST_NAME_SHAPE, is_host_name
from domain.values.texts import error_text

_TIMEOUT_S = 30.0
_DOWNLOAD_S = 600.0  # until the first bytes: a bundle of a large campaign is packed before it is sent


class Connection:
    """What every method of a client needs. A context manager."""

    def __init__(self, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        try:
            self._http = httpx.Client(
                base_url=f"{self.url}/api/v1/",
                headers={"Authorization": f"Bearer {token}"},
                timeout=_TIMEOUT_S,
                transport=transport,
                # A proxy from the environment is for the outside world, not for a coordinator on loopback.
                trust_env=False,
            )
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise UsageProblem(f"{self.url!r} or its token is not valid: {error_text(error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def readiness(self) -> Readiness:
        """What keeps the coordinator from its work; an earlier version, which cannot say, has no troubles."""
        try:
            answer = self._http.get(f"{self.url}/readyz")
            return read_answer(Readiness, answer.json(), "the readiness")
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        except (ValueError, CommandError):
            return Readiness(checked_at=datetime.now(UTC))

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **request)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise self._refusal(answer)
        if answer.status_code == httpx.codes.NO_CONTENT:
            return {}
        try:
            data = answer.json()
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise CommandError(f"{answer.url} is not a coordinator: {answer.text[:200]!r}")
        return data

    def _pages(
        self, path: str, of: str, filters: Mapping[str, str | int], by: str = "cursor"
    ) -> Iterator[dict[str, Any]]:
        """The entries of a list, page after page; ``of`` names them in the answer, ``by`` the parameter of a page."""
        parameters = dict(filters)
        while True:
            page = self._ask("GET", path, params=parameters)
            entries, after = page.get(of), page.get("next")
            if not isinstance(entries, list) or not isinstance(after, str | None):
                raise CommandError(f"the {of} cannot be read; is the coordinator of the same version?")
            yield from entries
            if not after:
                return
            parameters[by] = after

    def _ask_once(self, path: str, **request: Any) -> dict[str, Any]:
        """Send a POST that creates something. If the answer is lost, ask once more, for the same one."""
        headers = {**request.pop("headers", {}), "Idempotency-Key": secrets.token_hex(16)}
        try:
            return self._ask("POST", path, headers=headers, **request)
        except Unreachable as error:
            if not isinstance(error.__cause__, (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError)):
                raise
        return self._ask("POST", path, headers=headers, **request)

    def _download(self, path: str, file: IO[bytes], **parameters: str) -> None:
        try:
            with self._http.stream("GET", path, params=parameters or None, timeout=_DOWNLOAD_S) as answer:
                if answer.is_error:
                    answer.read()
                    raise self._refusal(answer)
                for piece in answer.iter_bytes():
                    file.write(piece)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
                raise self._unreachable(error) from error
            raise Unreachable(f"{self.url} sent no whole answer: {error_text(error)}") from error

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"no coordinator answers at {self.url}: {error} ('showdown up' starts one)")

    def _refusal(self, answer: httpx.Response) -> CommandError:
        message, problems = error_of(answer)
        if answer.status_code in (401, 403):
            return Unreachable(f"{self.url} refuses the token: {message} (SHOWDOWN_TOKEN, or option --token-file)")
        if answer.status_code in (502, 503, 504):
            return Unreachable(f"{self.url} is not available: {message}")
        if problems:
            return CampaignInvalid(problems, message)
        if answer.status_code in (404, 409):
            return UsageProblem(message)
        if answer.status_code in (400, 413, 415, 422):
            return CampaignInvalid([], message)
        return CommandError(f"{self.url} answers {answer.status_code}: {message}")


def segment_of(given: str) -> str:
    """A part of an address. Raises :class:`UsageProblem` if it is no id."""
    if not given.isalnum():
        raise UsageProblem(f"{given!r} is not an id")
    return given


def host_of(name: str) -> str:
    """The name of a host as a part of an address. Raises :class:`UsageProblem`."""
    if not is_host_name(name):
        raise UsageProblem(f"{name!r} {HOST_NAME_SHAPE}")
    return name


def trial_of(given: str) -> str:
    """The id of a trial as a part of an address, and of a file's name. Raises :class:`UsageProblem`."""
    if not given.replace("-", "").isalnum():
        raise UsageProblem(f"{given!r} is no trial's id")
    return given
