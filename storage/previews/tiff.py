"""TIFF files and movies (EER too): one frame as a picture, and what the file says of itself."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

import numpy as np
from tifffile import TiffFile, TiffFrame, TiffPage

from common.errors import UserError
from storage.previews.options import Preview, PreviewOptions, as_json
from storage.previews.reading import MAX_DECODED_BYTES, Source
from storage.previews.shading import SIZE, png, reduced


@contextmanager
def _opened(source: Source) -> Iterator[TiffFile]:
    """The file, with everything that a garbled one makes the library raise told as ``unreadable_file``."""
    os.lseek(source.fd, 0, os.SEEK_SET)
    try:
        with FileIO(source.fd, closefd=False) as handle, TiffFile(handle, name=source.name) as opened:
            _refuse_broken_chain(source, opened)
            yield opened
    except UserError:
        raise
    except MemoryError as error:
        raise source.too_large() from error
    except Exception as error:  # codecs raise errors of their own classes
        raise source.unreadable(f"it is no whole TIFF file ({str(error)[:200]})") from error


def _refuse_broken_chain(source: Source, opened: TiffFile) -> None:
    """The list of frames ends where it says that it ends; the library itself stops quietly at a cut."""
    layout, count = opened.tiff, len(opened.pages)
    at = opened.pages[count - 1].offset
    (tags,) = struct.unpack(layout.tagnoformat, source.read(at, layout.tagnosize))
    end = at + layout.tagnosize + tags * layout.tagsize
    (following,) = struct.unpack(layout.offsetformat, source.read(end, layout.offsetsize))
    if following:
        raise source.unreadable(f"it is cut off after {count} frames")


def info(source: Source, options: PreviewOptions) -> Preview:
    """Shape, frames, type and pixel size (Å, where the resolution tag gives one) as JSON."""
    with _opened(source) as opened:
        page = opened.pages.first
        return as_json(
            {
                "type": "tiff",
                "kind": "stack" if len(opened.pages) > 1 else "image",
                "shape": {"x": page.imagewidth, "y": page.imagelength, "z": len(opened.pages)},
                "dtype": str(page.dtype),
                "compression": getattr(page.compression, "name", str(page.compression)),
                "bytes": source.size,
                "axes": ["z"],
                "forms": ["image", "info"],
            }
        )


def image(source: Source, options: PreviewOptions) -> Preview:
    """One frame as PNG, its first row at the top; colours become grey."""
    with _opened(source) as opened:
        count = len(opened.pages)
        index = count // 2 if options.index is None else options.index
        if not 0 <= index < count:
            raise UserError(f"There are frames 0 to {count - 1}.", code="bad_option", field="index")
        data = _frame(source, opened.pages[index])
        plane = reduced(lambda first, rows: data[first : first + rows], data.shape, options.size or SIZE)
        return png(plane, options)


def _frame(source: Source, page: TiffPage | TiffFrame) -> np.ndarray:
    first = page if isinstance(page, TiffPage) else page.keyframe
    if first is None:
        raise source.unreadable("a frame has no size")
    size = first.dtype.itemsize if first.dtype is not None else 8
    if first.imagewidth * first.imagelength * max(1, first.samplesperpixel) * size > MAX_DECODED_BYTES:
        raise source.too_large()
    needed = max((at + size for at, size in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    if needed > source.size:
        raise source.unreadable(f"it is cut off: the frame ends at byte {needed}, and it has {source.size}")
    data = np.asarray(page.asarray())
    while data.ndim > 2:
        data = data.mean(axis=-1 if data.shape[-1] <= 4 else 0)
    return data
