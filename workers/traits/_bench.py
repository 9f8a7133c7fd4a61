"""The bench of one datapath: builds its labs, and keeps the shared one until a test breaks it."""

from contextlib import AbstractContextManager, ExitStack

from domain.values.texts import error_text
from workers.datapaths.base import Datapath
from workers.lab.cleanup import CleanupRegister
from workers.traits._rig import Rig, TraitError, rig


class LabBench:
    """See :class:`workers.traits.base.Bench`. Leaving its context removes the shared lab."""

    def __init__(self, datapath: Datapath, register: CleanupRegister) -> None:
        self.datapath = datapath
        self._register = register
        self._stack = ExitStack()
        self._shared: Rig | None = None
        self._refusal = ""

    def shared(self) -> Rig:
        """Raises :class:`TraitError` if the lab cannot be built; that is tried once."""
        if self._refusal:
            raise TraitError(self._refusal)
        if self._shared is None:
            try:
                self._shared = self._stack.enter_context(rig(self.datapath, self._register))
            except Exception as error:
                self._refusal = f"no lab to test it in: {error_text(error)}"
                raise
        return self._shared

    def fresh(self, ip_version: int = 4) -> AbstractContextManager[Rig]:
        """See the contract."""
        return rig(self.datapath, self._register, ip_version)

    def renew(self) -> None:
        """Remove the shared lab; the next test gets a new one."""
        self._shared = None
        self._stack.close()

    def __enter__(self) -> "LabBench":
        return self

    def __exit__(self, *_: object) -> None:
        self.renew()
