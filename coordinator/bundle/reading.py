"""A bundle is read: nothing of a file is interpreted before its hash is known to be the signed one."""

from collections.abc import Iterator
from typing import BinaryIO

from coordinator.bundle.archive import Reader
from coordinator.bundle.content import MOST_ATTEMPT_BYTES, MOST_OTHER_BYTES
from coordinator.bundle.keys import SIGNATURE_BYTES, PublicKey
from coordinator.bundle.manifest import MANIFEST, MOST_MANIFEST_BYTES, SIGNATURE, FileEntry, Manifest, read_manifest
from coordinator.bundle.refusal import NotSigned, Unreadable, quoted
from coordinator.bundle.writing import folder_of


class Bundle:
    """A bundle whose signature is right. Making one raises :class:`NotSigned` or :class:`Unreadable`."""

    def __init__(self, file: BinaryIO, key: PublicKey | None = None) -> None:
        """``key`` must have signed it; without one, the key that it names."""
        self._reader = Reader(file)
        name, encoded = self._next(MOST_MANIFEST_BYTES, MANIFEST)
        signature_name, signature = self._next(SIGNATURE_BYTES, SIGNATURE)
        self.manifest: Manifest = read_manifest(encoded)
        self._folder = folder_of(self.manifest.campaign)
        for found, wanted in ((name, MANIFEST), (signature_name, SIGNATURE)):
            if found != f"{self._folder}/{wanted}":
                raise Unreadable(f"{quoted(found)} is where {wanted} must be")
        self.key = key or _own_key(self.manifest)
        if not self.key.has_signed(encoded, signature):
            whose = f"the key {self.key.text}" if key is not None else "the key that it names"
            other = f"; it names {quoted(self.manifest.public_key)}" if key is not None else ""
            raise NotSigned(f"its signature is not by {whose}{other}")

    def files(self) -> Iterator[tuple[str, bytes]]:
        """The files in the order of the manifest. Raises as the constructor does."""
        for entry in self.manifest.files:
            name, data = self._next(_most_bytes(entry), entry.name)
            if name != f"{self._folder}/{entry.name}":
                raise NotSigned(f"{quoted(name)} is where {entry.name} must be")
            if not entry.is_of(data):
                raise NotSigned(f"{entry.name} is not the file that was signed: its SHA-256 is another")
            yield entry.name, data
        if (more := self._reader.next_file(MOST_ATTEMPT_BYTES)) is not None:
            raise NotSigned(f"{quoted(more[0])} is not in its manifest")

    def _next(self, most_bytes: int, wanted: str) -> tuple[str, bytes]:
        found = self._reader.next_file(most_bytes)
        if found is None:
            raise Unreadable(f"it has no {wanted}")
        return found


def _most_bytes(entry: FileEntry) -> int:
    return MOST_ATTEMPT_BYTES if entry.name.startswith("attempts/") else MOST_OTHER_BYTES


def _own_key(manifest: Manifest) -> PublicKey:
    try:
        return PublicKey.parse(manifest.public_key)
    except ValueError as error:
        raise Unreadable(f"its public key {quoted(manifest.public_key)} is not one: {error}") from error
