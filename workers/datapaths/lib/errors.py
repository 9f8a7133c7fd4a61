"""What setting up and reading a datapath may raise, and how that becomes the contract's one error."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyroute2.netlink.exceptions import NetlinkError

from bpf.loader import BpfError
from workers.datapaths.base import DatapathError
from workers.lab.nft import NftError


class ProxyError(RuntimeError):
    """A proxy could not be started, or does not answer any more."""


ERRORS = (OSError, BpfError, NetlinkError, NftError, ProxyError)


@contextmanager
def raised_by(name: str) -> Iterator[None]:
    """Turn :data:`ERRORS` into ``DatapathError("<name>: …")``; a ``DatapathError`` is named once only."""
    try:
        yield
    except (*ERRORS, DatapathError) as error:
        text = str(error).removeprefix(f"{name}: ")
        raise DatapathError(f"{name}: {text}") from error
