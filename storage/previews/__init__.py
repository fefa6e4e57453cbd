"""Looks at files that a browser can't show: a picture, a table, a small volume, the beginning of a text.

``render`` reads from an open handle with ``pread`` (never by a memory map: a file that shrinks under a map kills the
process), holds strips and pages, never the whole file (a TIFF frame or a picture is decoded whole: at most 256 MB),
and gives up after ``SECONDS``.
"""

from collections.abc import Callable

from common.errors import UserError
from storage.previews import images, mrc, tables, text, tiff
from storage.previews.options import FORMS, Preview, PreviewOptions, kind_of, read_options
from storage.previews.reading import Source

__all__ = ["FORMS", "Preview", "PreviewOptions", "forms_of", "read_options", "render"]

Renderer = Callable[[Source, PreviewOptions], Preview]
RENDERERS: dict[str, dict[str, Renderer]] = {
    "mrc": {"image": mrc.image, "info": mrc.info, "volume": mrc.volume},
    "tiff": {"image": tiff.image, "info": tiff.info},
    "picture": {"image": images.image, "info": images.info},
    "star": {"table": tables.star, "text": text.text},
    "csv": {"table": tables.csv_table, "text": text.text},
    "json": {"chart": text.chart, "text": text.text},
    "text": {"text": text.text},
}


def forms_of(name: str) -> tuple[str, ...]:
    """The forms in which a file of this name can be looked at, the usual one first."""
    return tuple(RENDERERS[kind_of(name)])


def render(fd: int, name: str, options: PreviewOptions) -> Preview:
    """The look at the file. UserError ``no_preview`` or ``bad_option``; ``unreadable_file`` when it is garbled."""
    renderers = RENDERERS[kind_of(name)]
    source = Source(fd, name)
    form = options.form or next(iter(renderers))
    if not options.form and form == "chart" and not text.is_chart(source):
        form = "text"
    if form not in renderers:
        raise UserError(
            f"“{name}” can't be shown as {form}.", code="no_preview", field="form", hint=f"Try {', '.join(renderers)}."
        )
    return renderers[form](source, options)
