"""Usual pictures, decoded and encoded again, so that what the browser gets is only ever a PNG of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

from PIL import Image, UnidentifiedImageError

from storage.previews.options import Preview, PreviewOptions, as_json
from storage.previews.reading import MAX_DECODED_BYTES, Source
from storage.previews.shading import encoded

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
SIZE = 1600


@contextmanager
def _opened(source: Source) -> Iterator[Image.Image]:
    os.lseek(source.fd, 0, os.SEEK_SET)
    try:
        with FileIO(source.fd, closefd=False) as handle, Image.open(handle, formats=FORMATS) as picture:
            if picture.width * picture.height * 4 > MAX_DECODED_BYTES:
                raise source.too_large()
            yield picture
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise source.unreadable(f"it is no whole picture ({str(error)[:200]})") from error
    except Image.DecompressionBombError as error:
        raise source.too_large() from error


def image(source: Source, options: PreviewOptions) -> Preview:
    """The (first) picture as PNG, no side over ``size`` (1600 px)."""
    with _opened(source) as picture:
        size = options.size or SIZE
        picture.draft("RGB", (size, size))
        plain = picture.convert("RGBA" if "A" in picture.getbands() or "transparency" in picture.info else "RGB")
        plain.thumbnail((size, size))
        return encoded(plain)


def info(source: Source, options: PreviewOptions) -> Preview:
    """Size and format as JSON."""
    with _opened(source) as picture:
        shape = {"x": picture.width, "y": picture.height, "z": 1}
        return as_json(
            {"type": "picture", "kind": "image", "shape": shape, "format": picture.format, "bytes": source.size,
             "axes": ["z"], "forms": ["image", "info"]}
        )  # fmt: skip
