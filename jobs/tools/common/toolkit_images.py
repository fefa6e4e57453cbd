"""Reading MRC, TIFF and EER images with checks made before any heavy work, and small pictures of them."""

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import mrcfile
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from toolkit import ToolError, whole

Array = NDArray[np.floating]

# What tifffile would log about a damaged file is said in the one line of a ToolError.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

MRC_BYTES = {0: 1.0, 1: 2.0, 2: 4.0, 4: 8.0, 6: 2.0, 12: 2.0, 101: 0.5}
"""Bytes of a pixel by the MRC2014 mode; 101 is four bits, with each row padded to whole bytes."""

MRC_ENDS = (".mrc", ".mrcs", ".map")
TIFF_ENDS = (".tif", ".tiff")
EER_ENDS = (".eer",)
EER_SKIP_BITS = {65000: 8, 65001: 7}
"""Bits that count the empty pixels before an electron, by the TIFF compression's number; as RELION 3.1 knows them."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What a file's header says: frames × height × width, the pixel size (Å) or None when the file does not know."""

    path: Path
    frames: int
    height: int
    width: int
    pixel_size: float | None

    @property
    def size(self) -> str:
        """Return width × height as people write it."""
        return f"{self.width} × {self.height}"


def inspect(path: Path, about: str) -> Picture:
    """Return what the file holds after checking that all of it is there; raise a ToolError that names the file."""
    if not path.is_file():
        raise ToolError("missing-file", f"{path.name} is not there.", hint="Was it moved or deleted?", about=about)
    ending = path.suffix.lower()
    if ending in MRC_ENDS:
        return _inspect_mrc(path, about)
    if ending in TIFF_ENDS + EER_ENDS:
        return _inspect_tiff(path, about)
    known = " ".join(MRC_ENDS + TIFF_ENDS + EER_ENDS)
    raise ToolError(
        "unknown-format", f"{path.name} has an ending that is not known here.", hint=f"Use {known}.", about=about
    )


def _inspect_mrc(path: Path, about: str) -> Picture:
    try:
        with mrcfile.open(path, header_only=True, permissive=True) as mrc:
            header = mrc.header
            nx, ny, nz, mode = (int(header[key]) for key in ("nx", "ny", "nz", "mode"))
            extended, voxel = int(header.nsymbt), float(mrc.voxel_size.x)
    except (ValueError, OSError) as error:
        raise broken(path, about, f"its MRC header cannot be read ({error})") from None
    if min(nx, ny, nz) < 1 or mode not in MRC_BYTES:
        raise broken(path, about, f"its header says {nx} × {ny} × {nz} in mode {mode}, which is no MRC image")
    row = int(np.ceil(nx * MRC_BYTES[mode]))
    need, have = 1024 + extended + row * ny * nz, path.stat().st_size
    if have < need:
        raise broken(path, about, f"it has {have:,} bytes where its header asks for {need:,}: it was cut off")
    return Picture(path=path, frames=nz, height=ny, width=nx, pixel_size=voxel if voxel > 0.01 else None)


def _inspect_tiff(path: Path, about: str) -> Picture:
    try:
        with tifffile.TiffFile(path) as tiff:
            first, count = tiff.pages.first, len(tiff.pages)
            if path.suffix.lower() in EER_ENDS:
                count = sum(page.aspage().compression in EER_SKIP_BITS for page in tiff.pages)
            height, width = first.shape[:2]
            ends = [
                at + length
                for page in tiff.pages
                for at, length in zip(page.aspage().dataoffsets, page.aspage().databytecounts, strict=True)
            ]
            chain_open = _next_page(tiff) != 0
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError, struct.error, OSError) as error:
        raise broken(path, about, f"it cannot be read as TIFF ({error})") from None
    if chain_open or max(ends) > path.stat().st_size:
        raise broken(path, about, f"its data end in the middle (after {count} pages): it was cut off")
    return Picture(path=path, frames=count, height=height, width=width, pixel_size=None)


def _next_page(tiff: tifffile.TiffFile) -> int:
    """Return where the file says that one more page follows the last one found; 0 when there is none."""
    form, last = tiff.tiff, tiff.pages[-1]
    handle = tiff.filehandle
    handle.seek(last.offset)
    (tags,) = struct.unpack(form.tagnoformat, handle.read(form.tagnosize))
    handle.seek(last.offset + form.tagnosize + tags * form.tagsize)
    (following,) = struct.unpack(form.offsetformat, handle.read(form.offsetsize))
    return int(following)


def broken(path: Path, about: str, why: str) -> ToolError:
    """Return the error for a file that is damaged."""
    return ToolError(
        "broken-file",
        f"{path.name} is damaged: {why}.",
        hint="Upload the file again, or leave it out.",
        about=about,
    )


def read_frames(path: Path) -> Iterator[Array]:
    """Yield the frames of a movie as float32, rows in MRC's order."""
    for frame in read_counts(path):
        yield np.asarray(frame, dtype=np.float32)


def read_counts(path: Path) -> Iterator[NDArray[Any]]:
    """Yield the frames of a movie in the file's own type, rows in MRC's order.

    TIFF rows run the other way, and RELION flips them as well.
    """
    ending = path.suffix.lower()
    if ending in TIFF_ENDS:
        with tifffile.TiffFile(path) as tiff:
            for page in tiff.pages:
                yield np.flipud(page.asarray())
        return
    if ending in EER_ENDS:
        yield from _read_eer(path)
        return
    with mrcfile.open(path, header_only=True, permissive=True) as mrc:
        mode, skip = int(mrc.header.mode), 1024 + int(mrc.header.nsymbt)
        nx, ny, nz = int(mrc.header.nx), int(mrc.header.ny), int(mrc.header.nz)
    if mode == 101:
        yield from _read_nibbles(path, skip, (nz, ny, nx))
        return
    with mrcfile.mmap(path, permissive=True) as mrc:
        yield from np.asarray(mrc.data).reshape(-1, ny, nx)


def _read_eer(path: Path) -> Iterator[NDArray[Any]]:
    """Yield the electrons of each raw EER frame on the camera's own pixels; RELION does not flip them."""
    with tifffile.TiffFile(path) as tiff:
        for page in tiff.pages:
            frame = page.aspage()
            if frame.compression not in EER_SKIP_BITS:
                continue  # the sum that some cameras put before the frames
            parts = []
            for at, length in zip(frame.dataoffsets, frame.databytecounts, strict=True):
                tiff.filehandle.seek(at)
                parts.append(tiff.filehandle.read(length))
            data = b"".join(parts)
            data += b"\0" * (len(data) % 2)  # the decoder takes whole words only
            yield imagecodecs.eer_decode(data, frame.shape, EER_SKIP_BITS[frame.compression], 2, 2)


def _read_nibbles(path: Path, skip: int, shape: tuple[int, int, int]) -> Iterator[NDArray[Any]]:
    frames, height, width = shape
    packed = np.memmap(path, np.uint8, "r", offset=skip, shape=(frames, height, (width + 1) // 2))
    for frame in packed:
        pair = np.stack([frame & 15, frame >> 4], axis=-1).reshape(height, -1)
        yield pair[:, :width]


def read_image(path: Path) -> Array:
    """Return the first (or only) image of a file as float32."""
    return next(read_frames(path))


def read_map(path: Path, about: str) -> tuple[Array, Picture]:
    """Return a cubic map as float32 (z, y, x) and its header; raise a ToolError when it is no cube."""
    picture = inspect(path, about)
    if not picture.frames == picture.height == picture.width:
        raise ToolError(
            "wrong-dimensions",
            f"{path.name} is {picture.width} × {picture.height} × {picture.frames}; a map has three equal sides.",
            hint="Give a 3-D map, not an image, a stack or a movie.",
            about=about,
        )
    with mrcfile.open(path, permissive=True) as mrc:
        volume = np.array(mrc.data, dtype=np.float32)
    if not np.isfinite(volume).all():
        raise ToolError("not-finite", f"{path.name} holds values that are no numbers.", about=about)
    return volume, picture


def write_image(path: Path, data: Array, pixel_size: float, *, stack: bool = False) -> None:
    """Write float32 data as MRC with the pixel size (Å), whole or not at all."""
    with whole(path) as part, mrcfile.new(part, overwrite=True) as mrc:
        mrc.set_data(np.ascontiguousarray(data, dtype=np.float32))
        if stack:
            mrc.set_image_stack()
        mrc.voxel_size = pixel_size


def to_grey(image: Array, side: int, *, low: float = 1.0, high: float = 99.0) -> NDArray[np.uint8]:
    """Return the image at `side` pixels or less, averaged down, with its middle percentiles spread over 0..255.

    Row 0 is drawn at the bottom, as MRC viewers draw it.
    """
    factor = max(1, int(np.ceil(max(image.shape) / side)))
    height, width = (n // factor * factor for n in image.shape)
    # Rows first: whole rows are added up fast, and little is left for the columns.
    rows = image[:height, :width].reshape(height // factor, factor, width).mean(axis=1)
    small = rows.reshape(height // factor, width // factor, factor).mean(axis=2)
    bottom, top = np.percentile(small, [low, high])
    scaled = np.clip((small - bottom) / max(float(top - bottom), 1e-12), 0, 1)
    return np.flipud((scaled * 255).astype(np.uint8))


def fit(grey: NDArray[np.uint8], side: int) -> Image.Image:
    """Return a picture scaled so that its longer side is `side` pixels."""
    height, width = grey.shape[:2]
    scale = side / max(height, width)
    return Image.fromarray(grey).resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.BICUBIC)


def sheet(pictures: list[tuple[str, Image.Image]], columns: int, *, gap: int = 8) -> Image.Image:
    """Return one picture with the given ones in rows, each under its caption."""
    font = ImageFont.load_default(size=14)
    width, height = (max(picture.size[axis] for _, picture in pictures) for axis in (0, 1))
    rows = -(-len(pictures) // columns)
    line = 22
    mode = "L" if all(picture.mode == "L" for _, picture in pictures) else "RGB"
    page = Image.new(mode, (columns * (width + gap) + gap, rows * (height + line + gap) + gap), "white")
    draw = ImageDraw.Draw(page)
    for number, (caption, picture) in enumerate(pictures):
        row, column = divmod(number, columns)
        left, top = gap + column * (width + gap), gap + row * (height + line + gap)
        draw.text((left, top + 2), caption, fill="#222222", font=font)
        page.paste(picture.convert(mode), (left, top + line))
    return page


def save_png(path: Path, picture: Image.Image) -> None:
    """Write a PNG, whole or not at all; pressed lightly, as noise gets no smaller in several times the time."""
    with whole(path) as part:
        picture.save(part, format="PNG", compress_level=1)
