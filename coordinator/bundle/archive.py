"""The file of a bundle: a gzipped tar with plain files only, the same bytes each time. Reading it is bounded.

Only headers of plain files are read; everything else that tar knows (links, devices, directories, extended headers) is
refused. Nothing is ever written to a path from the archive.
"""

import gzip
import io
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from coordinator.bundle.refusal import Unreadable, quoted
from domain.values.texts import error_text

MOST_BYTES = 4 << 30  # decompressed, of the whole bundle
MOST_FILES = 100_000
_BLOCK = tarfile.BLOCKSIZE
_MODE = 0o644
_LEVEL = 6
_PIECE = 256 << 10


class Packed:
    """Files that were packed into a temporary file: a gzip stream that follows another one."""

    def __init__(self, directory: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (see close)
        self._gzip = _packer(self._file)

    def add(self, name: str, data: bytes) -> None:
        """Add one file."""
        _add(self._gzip, name, data)

    def end(self) -> None:
        """Nothing follows."""
        self._gzip.write(bytes(2 * _BLOCK))
        self._gzip.close()

    @property
    def size(self) -> int:
        """In bytes, after the end."""
        return self._file.seek(0, io.SEEK_END)

    def pieces(self) -> Iterator[bytes]:
        """The stream in pieces; the temporary file is removed afterwards."""
        with self._file as file:
            file.seek(0)
            while piece := file.read(_PIECE):
                yield piece

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()


def packed_first(*files: tuple[str, bytes]) -> bytes:
    """The gzip stream of the first files; streams that follow one another are one."""
    packed = io.BytesIO()
    with _packer(packed) as stream:
        for name, data in files:
            _add(stream, name, data)
    return packed.getvalue()


def _packer(file: IO[bytes]) -> gzip.GzipFile:
    return gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0)


def _add(stream: gzip.GzipFile, name: str, data: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = len(data), _MODE, 0
    stream.write(header.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
    stream.write(data)
    stream.write(bytes(-len(data) % _BLOCK))


class Reader:
    """The files of an archive, one after the other. Each method raises :class:`Unreadable`."""

    def __init__(self, file: BinaryIO) -> None:
        self._gzip = gzip.GzipFile(fileobj=file, mode="rb")
        self._left = MOST_BYTES

    def next_file(self, most_bytes: int) -> tuple[str, bytes] | None:
        """The next file; ``None`` at the end of the archive."""
        block = self._read(_BLOCK)
        if not any(block):
            self._check_end()
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise Unreadable(f"it is no archive of a bundle: {error}") from error
        if header.type != tarfile.REGTYPE:
            raise Unreadable(f"{quoted(header.name)} is no plain file; a bundle has no links, directories or devices")
        if not 0 <= header.size <= most_bytes:
            raise Unreadable(f"{quoted(header.name)} has {header.size:,} bytes; at most {most_bytes:,} are allowed")
        data = self._read(header.size)
        self._read(-header.size % _BLOCK)
        return header.name, data

    def _check_end(self) -> None:
        if any(self._read(_BLOCK)) or self._some():
            raise Unreadable("something follows the end of the archive")

    def _some(self) -> bytes:
        try:
            return self._gzip.read(1)
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"it is damaged: {error_text(error)}") from error

    def _read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise Unreadable(f"it has more than {MOST_BYTES >> 30} GiB")
        try:
            data = self._gzip.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"it is damaged, or no bundle: {error_text(error)}") from error
        if len(data) != size:
            raise Unreadable("it is truncated")
        return data
