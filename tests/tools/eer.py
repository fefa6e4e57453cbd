"""A writer of small EER movies (compression 65001), after Thermo Fisher's description of the format, version 3."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SKIP_BITS, LONGEST = 7, 127


def packed(frame: np.ndarray) -> bytes:
    """The positions of a frame's electrons as 7 bits of skipped pixels and 2 + 2 bits of place in the pixel."""
    electrons = np.flatnonzero(frame.ravel())
    value, bits = 0, 0
    out = bytearray()

    def put(number: int, count: int) -> None:
        nonlocal value, bits
        value |= number << bits
        bits += count
        while bits >= 8:
            out.append(value & 255)
            value >>= 8
            bits -= 8

    gaps = np.diff(np.concatenate([[-1], electrons, [frame.size]])) - 1
    for index, gap in enumerate(gaps):
        for _ in range(gap // LONGEST):
            put(LONGEST, SKIP_BITS)
        put(int(gap % LONGEST), SKIP_BITS)
        put(0b1010 if index < len(electrons) else 0, 4)
    out.append(value & 255)
    return bytes(out)


def write_eer(path: Path, frames: Sequence[np.ndarray]) -> Path:
    """A little-endian TIFF with one strip per frame."""
    with path.open("wb") as out:
        out.write(b"II*\0" + struct.pack("<I", 0))
        link = 4
        for frame in frames:
            height, width = frame.shape
            data, at = packed(frame), out.tell()
            out.write(data + b"\0" * (len(data) % 2))
            here = out.tell()
            tags = [(256, width), (257, height), (258, 8), (259, 65001), (262, 1)]
            tags += [(273, at), (277, 1), (278, height), (279, len(data))]
            out.write(struct.pack("<H", len(tags)))
            for tag, number in tags:
                out.write(struct.pack("<HHII", tag, 4, 1, number))
            following = out.tell()
            out.write(struct.pack("<I", 0))
            out.seek(link)
            out.write(struct.pack("<I", here))
            out.seek(0, 2)
            link = following
    return path
