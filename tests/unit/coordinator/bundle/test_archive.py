"""A hostile archive is refused at its header: no link is followed, no path written, no bomb unpacked."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from coordinator.bundle import archive
from coordinator.bundle.archive import Reader, packed_first
from coordinator.bundle.refusal import Refused, Unreadable
from coordinator.bundle.verify import verify
from tests.unit.coordinator.bundle.bundles import a_key, end_of_archive, packed, resigned, unpacked

MIB = 1 << 20


def one_entry(kind: bytes, name: str = "showdown-x/manifest.json", size: int = 0) -> bytes:
    header = tarfile.TarInfo(name)
    header.type, header.linkname, header.size = kind, "/etc/passwd", size
    return gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(2048))


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.XHDTYPE,
     tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE],
)  # fmt: skip
def test_only_plain_files_are_read(kind: bytes) -> None:
    with pytest.raises(Unreadable, match="is no plain file"):
        Reader(io.BytesIO(one_entry(kind))).next_file(MIB)


def test_a_size_is_refused_before_anything_is_unpacked() -> None:
    with pytest.raises(Unreadable, match="at most 1,048,576 are allowed"):
        Reader(io.BytesIO(one_entry(tarfile.REGTYPE, size=1 << 40))).next_file(MIB)
    with pytest.raises(Unreadable):
        Reader(io.BytesIO(one_entry(tarfile.REGTYPE, size=-5))).next_file(MIB)


def test_the_whole_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 3 * MIB)
    reader = Reader(io.BytesIO(packed_first(*((f"a/{n}.json", bytes(MIB)) for n in range(4)))))
    for _ in range(2):
        assert reader.next_file(MIB) is not None
    with pytest.raises(Unreadable, match="more than"):
        reader.next_file(MIB)


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "/etc/passwd", "showdown-x/../manifest.json"])
def test_a_path_out_of_the_bundle_is_no_file_of_it(name: str, tmp_path: Path) -> None:
    whole = packed_first((name, b"{}"), (name, b"")) + end_of_archive()
    with pytest.raises(Refused):
        verify(io.BytesIO(whole))
    assert not list(tmp_path.iterdir())


DAMAGES = (
    lambda whole: whole[: len(whole) // 2],
    lambda whole: whole[:-9],
    lambda whole: b"",
    lambda whole: b"\x1f\x8b",
    lambda whole: b"PK\x03\x04" + whole,
    lambda whole: whole[:300] + b"\xff" * 50 + whole[350:],
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_refused(damage, bundle: bytes) -> None:
    with pytest.raises(Refused):
        verify(io.BytesIO(damage(bundle)))


def test_files_that_the_manifest_does_not_have_are_refused(bundle: bytes) -> None:
    files, folder = list(unpacked(bundle).items()), "showdown-" + campaign_of(bundle)
    verify(io.BytesIO(packed(files, folder)))
    for changed in (
        [*files, ("more.json", b"{}")],
        files[:-1],
        [*files[:2], files[3], files[2], *files[4:]],
        files[1:],
    ):
        with pytest.raises(Refused):
            verify(io.BytesIO(packed(changed, folder)))
    with pytest.raises(Refused, match="follows the end"):
        verify(io.BytesIO(packed(files, folder) + gzip.compress(b"more")))
    with pytest.raises(Refused):
        verify(io.BytesIO(packed(files, "showdown-other")))


def test_a_newer_format_is_said_to_be_newer(bundle: bytes) -> None:
    newer = resigned(bundle, a_key(), manifest=lambda one: one.model_copy(update={"version": 2}))
    with pytest.raises(Unreadable, match="its format is version 2, and this program reads 1: use the version"):
        verify(io.BytesIO(newer))


def campaign_of(bundle: bytes) -> str:
    with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:gz") as found:
        return found.getnames()[0].partition("/")[0].removeprefix("showdown-")
