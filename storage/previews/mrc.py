"""MRC files (MRC2014, https://www.ccpem.ac.uk/mrc_format/mrc2014.php): planes, header, small volumes."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.errors import UserError
from storage.previews.options import Preview, PreviewOptions, as_json
from storage.previews.reading import Source
from storage.previews.shading import SIZE, Plane, png, reduced, reduced_by

HEADER_BYTES = 1024
MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
MAX_VOLUME = 128
MAX_PLANE_BYTES = 1024**3


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a header says. ``shape`` is (sections, rows, columns); ``voxel`` Å per voxel along x, y, z."""

    shape: tuple[int, int, int]
    mode: int
    dtype: np.dtype
    offset: int
    voxel: tuple[float, float, float]
    minimum: float | None
    maximum: float | None
    mean: float | None
    rms: float | None
    stack: bool

    @property
    def plane_bytes(self) -> int:
        """Bytes of one section."""
        return self.shape[1] * self.shape[2] * self.dtype.itemsize


def read_header(source: Source) -> Header:
    """The header; UserError ``unreadable_file`` when it is none, or when the file is shorter than it says."""
    if source.size < HEADER_BYTES:
        raise source.unreadable(f"an MRC file has at least {HEADER_BYTES} bytes, this one has {source.size}")
    raw = source.read(0, HEADER_BYTES)
    order = _byte_order(source, raw)
    columns, rows, sections, mode = struct.unpack_from(f"{order}4i", raw)
    (extended,) = struct.unpack_from(f"{order}i", raw, 92)
    if mode not in MODES:
        raise source.unreadable(f"its mode is {mode}, and only {', '.join(map(str, MODES))} can be shown")
    if min(columns, rows, sections) < 1 or extended < 0:
        raise source.unreadable(f"its header gives the impossible size {columns} × {rows} × {sections}")
    dtype = np.dtype(order + MODES[mode])
    offset = HEADER_BYTES + extended
    expected = offset + columns * rows * sections * dtype.itemsize
    if source.size < expected:
        raise source.unreadable(
            f"it is cut off: {columns} × {rows} × {sections} in mode {mode} need {expected} bytes,"
            f" and it has {source.size}"
        )
    sampling, cell = struct.unpack_from(f"{order}3i", raw, 28), struct.unpack_from(f"{order}3f", raw, 40)
    low, high, mean = _statistics(struct.unpack_from(f"{order}3f", raw, 76))
    (group,) = struct.unpack_from(f"{order}i", raw, 88)
    (rms,) = struct.unpack_from(f"{order}f", raw, 216)
    x, y, z = (_finite(length / count) if count > 0 else 0.0 for length, count in zip(cell, sampling, strict=True))
    return Header(
        shape=(sections, rows, columns), mode=mode, dtype=dtype, offset=offset, voxel=(x, y, z),
        minimum=low, maximum=high, mean=mean, rms=rms if math.isfinite(rms) and rms > 0 else None,
        stack=_is_stack(source.name, (sections, rows, columns), group),
    )  # fmt: skip


def _is_stack(name: str, shape: tuple[int, int, int], group: int) -> bool:
    """Space group 0 says "stack", but some programs write it for maps too; a cube is taken for a map."""
    if shape[0] == 1:
        return False
    return name.lower().endswith((".mrcs", ".st", ".ali")) or (group == 0 and len(set(shape)) > 1)


def _byte_order(source: Source, raw: bytes) -> str:
    """``<`` or ``>``: by the machine stamp, and where that is not set by which one gives a mode."""
    if raw[212:214] in (b"\x11\x11",):
        return ">"
    if raw[212:214] in (b"DD", b"DA"):
        return "<"
    for order in "<>":
        if 0 <= struct.unpack_from(f"{order}i", raw, 12)[0] <= 101:
            return order
    raise source.unreadable("it has no MRC header")


def _statistics(values: tuple[float, ...]) -> tuple[float | None, float | None, float | None]:
    """(min, max, mean), or Nones where the header says that they are not known (max < min) or they can't be."""
    low, high, mean = values
    if not all(math.isfinite(value) for value in values) or high <= low:
        return None, None, None
    return low, high, mean


def _finite(value: float) -> float:
    return round(value, 6) if math.isfinite(value) else 0.0


def info(source: Source, options: PreviewOptions) -> Preview:
    """Header facts as JSON: shape, voxel size in Å, mode, statistics, and what can be looked at."""
    header = read_header(source)
    sections, rows, columns = header.shape
    volume = sections > 1 and not header.stack
    return as_json(
        {
            "type": "mrc",
            "kind": "volume" if volume else "stack" if header.stack else "image",
            "shape": {"x": columns, "y": rows, "z": sections},
            "voxel_size": dict(zip("xyz", header.voxel, strict=True)),
            "mode": header.mode,
            "min": header.minimum, "max": header.maximum, "mean": header.mean, "rms": header.rms,
            "bytes": source.size,
            "axes": ["x", "y", "z"] if volume else ["z"],
            "forms": ["image", "info", "volume"] if volume else ["image", "info"],
        }
    )  # fmt: skip


def image(source: Source, options: PreviewOptions) -> Preview:
    """One slice as PNG, y (for x and y slices: z) upwards, as in the programs of the field."""
    header = read_header(source)
    axis = "zyx".index(options.axis)
    if axis and header.stack:
        raise UserError("A stack of images has slices along z only.", code="bad_option", field="axis")
    count = header.shape[axis]
    index = count // 2 if options.index is None else options.index
    if not 0 <= index < count:
        raise UserError(f"There are slices 0 to {count - 1} along {options.axis}.", code="bad_option", field="index")
    size = options.size or SIZE
    factor = max(1, math.ceil(max(header.shape[1:]) / size))
    plane = _section(source, header, index, factor) if axis == 0 else _cut(source, header, axis, index, size)
    return png(plane[::-1], options)


def _section(source: Source, header: Header, index: int, factor: int) -> Plane:
    _, rows, columns = header.shape
    start, width = header.offset + index * header.plane_bytes, columns * header.dtype.itemsize

    def read(first: int, count: int) -> npt.NDArray:
        block = source.read(start + first * width, count * width)
        return np.frombuffer(block, header.dtype).reshape(count, columns)

    return reduced_by(read, (rows, columns), factor)


def _cut(source: Source, header: Header, axis: int, index: int, size: int) -> Plane:
    """A plane across the sections, from every n-th section where there are more than ``size``."""
    sections, rows, columns = header.shape
    step = math.ceil(sections / size)
    if axis == 2 and header.plane_bytes > MAX_PLANE_BYTES:
        raise source.too_large()
    width = columns * header.dtype.itemsize
    lines = []
    for section in range(0, sections, step):
        start = header.offset + section * header.plane_bytes
        if axis == 1:
            lines.append(np.frombuffer(source.read(start + index * width, width), header.dtype))
        else:
            plane = np.frombuffer(source.read(start, header.plane_bytes), header.dtype)
            lines.append(plane.reshape(rows, columns)[:, index].copy())
    cut = np.stack(lines)
    if step > 1:
        cut = cut[:, ::step]
    return reduced(lambda first, count: cut[first : first + count], (cut.shape[0], cut.shape[1]), size)


def volume(source: Source, options: PreviewOptions) -> Preview:
    """The whole map as a small MRC file (float32, no side over 128 voxels), each voxel the mean of a block."""
    header = read_header(source)
    sections = header.shape[0]
    if sections == 1 or header.stack:
        raise UserError("This is not a volume.", code="no_preview", field="form", hint="Look at it as an image.")
    if header.plane_bytes > MAX_PLANE_BYTES:
        raise source.too_large()
    factor = math.ceil(max(header.shape) / min(options.size or MAX_VOLUME, MAX_VOLUME))
    deep = min(sections, factor)
    layers = [
        np.mean([_section(source, header, first + n, factor) for n in range(deep)], axis=0, dtype=np.float32)
        for first in range(0, sections - deep + 1, factor)
    ]
    result = np.stack(layers)
    return Preview(content_type="application/x-mrc", content=_as_mrc(result, header, factor))


def _as_mrc(data: npt.NDArray[np.float32], header: Header, factor: int) -> bytes:
    raw = bytearray(HEADER_BYTES)
    z, y, x = data.shape
    voxel = [size * factor if size > 0 else float(factor) for size in header.voxel]
    cell = [size * count for size, count in zip(voxel, (x, y, z), strict=True)]
    struct.pack_into("<10i", raw, 0, x, y, z, 2, 0, 0, 0, x, y, z)
    struct.pack_into("<6f", raw, 40, *cell, 90.0, 90.0, 90.0)
    struct.pack_into("<3i3f2i", raw, 64, 1, 2, 3, float(data.min()), float(data.max()), float(data.mean()), 1, 0)
    struct.pack_into("<i", raw, 108, 20140)
    raw[208:216] = b"MAP DD\0\0"
    struct.pack_into("<f", raw, 216, float(data.std()))
    return bytes(raw) + np.ascontiguousarray(data, "<f4").tobytes()
