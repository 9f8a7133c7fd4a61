"""Small pictures: at most 256 colours, chosen by how often they occur."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_COLOURS = 256
_SHADES = 3  # bits of each channel that do not divide colours: 32 shades are left


def palette_png(pixels: NDArray[np.uint8]) -> bytes:
    """The PNG of an image of height × width × 3."""
    palette, indexes = _reduced(pixels)
    height, width = indexes.shape
    rows = np.zeros((height, width + 1), dtype=np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = indexes
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", palette.tobytes()), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _reduced(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The palette, and each pixel's place in it: the most frequent colour of each of the most frequent groups."""
    wide = pixels.astype(np.uint32)
    packed = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    colours, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    channels = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.int32)
    groups = (channels >> _SHADES) @ np.array([1 << 10, 1 << 5, 1])
    order = np.argsort(-counts, kind="stable")
    _, first = np.unique(groups[order], return_index=True)
    kinds, sizes = (
        np.unique(groups, return_inverse=True)[1],
        np.bincount(np.unique(groups, return_inverse=True)[1], counts),
    )
    leaders = order[first]
    chosen = leaders[np.argsort(-sizes[kinds[leaders]], kind="stable")][:_COLOURS]
    palette = channels[chosen]
    distance = ((channels[:, None, :] - palette[None, :, :]) ** 2).sum(axis=2)
    nearest = distance.argmin(axis=1).astype(np.uint8)
    return palette.astype(np.uint8), nearest[inverse].reshape(packed.shape)
