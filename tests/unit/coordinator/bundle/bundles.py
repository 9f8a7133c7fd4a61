"""Bundles for tests: of a campaign in a database, unpacked, changed and packed again."""

import gzip
import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coordinator.bundle.archive import packed_first
from coordinator.bundle.keys import SigningKey
from coordinator.bundle.manifest import MANIFEST, SIGNATURE, FileEntry, Manifest, read_manifest
from tests.unit.coordinator.coordinator_app import CoordinatorApp

Files = dict[str, bytes]


def a_key() -> SigningKey:
    return SigningKey(Ed25519PrivateKey.generate())


def finished(app: CoordinatorApp, blocks: int = 5) -> str:
    """A campaign that has ended."""
    app.register()
    campaign_id = app.submit(blocks=blocks)
    for _ in range(blocks):
        app.now += 10
        app.run_block(rates={"tproxy": 1500})
        app.wait(1, present=("h1",))
    return campaign_id


def bundle_of(app: CoordinatorApp, campaign_id: str) -> bytes:
    answer = app.get(f"campaigns/{campaign_id}/bundle.tar.gz")
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    return answer.data


def unpacked(bundle: bytes) -> Files:
    """By name, without the folder; read with the standard library's reader."""
    with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:gz") as archive:
        return {one.name.partition("/")[2]: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]


def packed(files: Iterable[tuple[str, bytes]], folder: str) -> bytes:
    return packed_first(*((f"{folder}/{name}", data) for name, data in files)) + end_of_archive()


def end_of_archive() -> bytes:
    return gzip.compress(bytes(1024), mtime=0)


def resigned(
    bundle: bytes,
    key: SigningKey,
    change: Callable[[Files], None] = lambda files: None,
    manifest: Callable[[Manifest], Manifest] = lambda manifest: manifest,
) -> bytes:
    """The bundle with changed files, and a manifest that is right for them, signed by another key."""
    files = unpacked(bundle)
    known = read_manifest(files.pop(MANIFEST))
    files.pop(SIGNATURE)
    change(files)
    entries = tuple(FileEntry.of(name, data) for name, data in files.items())
    encoded = manifest(known.model_copy(update={"files": entries, "public_key": key.public.text})).encoded
    every = [(MANIFEST, encoded), (SIGNATURE, key.sign(encoded)), *files.items()]
    return packed(every, f"showdown-{known.campaign}")


def stored(bundle: bytes, directory: Path) -> Path:
    file = directory / "bundle.tar.gz"
    file.write_bytes(bundle)
    return file
