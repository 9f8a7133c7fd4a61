"""A bundle is written: the files are packed first, and the signed manifest is sent before them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from coordinator.bundle.archive import Packed, packed_first
from coordinator.bundle.keys import SigningKey
from coordinator.bundle.manifest import MANIFEST, SIGNATURE, FileEntry, Manifest
from coordinator.bundle.version import analysis_version


class Written(NamedTuple):
    """A bundle, ready to be sent: ``size_bytes`` in all of its pieces. ``close`` removes the temporary file."""

    size_bytes: int
    pieces: Iterator[bytes]
    close: Callable[[], None]


def write_bundle(
    record: Mapping[str, Any], files: Iterable[tuple[str, bytes]], key: SigningKey, directory: Path
) -> Written:
    """The bundle of a campaign with this record; ``directory`` holds the temporary file."""
    folder, packed = folder_of(str(record["id"])), Packed(directory)
    try:
        entries = []
        for name, data in files:
            packed.add(f"{folder}/{name}", data)
            entries.append(FileEntry.of(name, data))
        packed.end()
        manifest = Manifest(
            campaign=record["id"],
            name=record["name"],
            state=record["state"],
            seed=record["seed"],
            analysis=analysis_version(),
            public_key=key.public.text,
            files=tuple(entries),
        ).encoded
        first = packed_first((f"{folder}/{MANIFEST}", manifest), (f"{folder}/{SIGNATURE}", key.sign(manifest)))
        return Written(len(first) + packed.size, _pieces(first, packed), packed.close)
    except BaseException:
        packed.close()
        raise


def folder_of(campaign_id: str) -> str:
    """The folder that the files are in, so that unpacking makes one folder only."""
    return f"showdown-{campaign_id}"


def _pieces(first: bytes, packed: Packed) -> Iterator[bytes]:
    yield first
    yield from packed.pieces()
