"""Refusals for lack of privilege: a container, a missing capability or a read-only /proc/sys is no missing kernel."""

import errno
from collections.abc import Iterator
from pathlib import Path

_NEEDED = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}  # include/uapi/linux/capability.h
_SECCOMP_FILTER = "2"
_REFUSALS = (errno.EPERM, errno.EACCES)
_REFUSAL_WORDS = ("Operation not permitted", "Permission denied", "EPERM", "EACCES")
_READ_ONLY_WORDS = "Read-only file system"

_READ_ONLY = (
    "/proc/sys is read-only, as in a container without privileges: start it with --privileged (Docker, Podman) or"
    " securityContext.privileged (Kubernetes)."
)


def remedy_of_refusal(error: BaseException, status: Path = Path("/proc/self/status")) -> str:
    """What to do about an error for lack of privilege; empty if the kernel itself refused."""
    if _is_read_only(error):
        return _READ_ONLY
    if not _is_refused(error):
        return ""
    fields = _fields(status)
    held = int(fields.get("CapEff", "0") or "0", 16)
    if missing := [name for name, bit in _NEEDED.items() if not held >> bit & 1]:
        return (
            f"This process lacks {' and '.join(missing)}: run it as root of the host, or start the container with"
            " --privileged."
        )
    if fields.get("Seccomp") == _SECCOMP_FILTER:
        return (
            "A seccomp profile refuses it: start the container with --privileged or --security-opt seccomp=unconfined."
        )
    return ""


def _is_read_only(error: BaseException) -> bool:
    return any(_number(one) == errno.EROFS or _READ_ONLY_WORDS in str(one) for one in _chain(error))


def _is_refused(error: BaseException) -> bool:
    return any(
        _number(one) in _REFUSALS or any(words in f"{one} {_stderr(one)}" for words in _REFUSAL_WORDS)
        for one in _chain(error)
    )


def _number(error: BaseException) -> int | None:
    number = getattr(error, "errno", None) or getattr(error, "code", None)  # pyroute2's errors have a code
    return number if isinstance(number, int) else None


def _stderr(error: BaseException) -> str:
    return str(getattr(error, "stderr", None) or "")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _fields(status: Path) -> dict[str, str]:
    try:
        lines = status.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
