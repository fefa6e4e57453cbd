"""The beginning or the end of a text, and charts (Vega-Lite) as they are."""

from __future__ import annotations

import json
from typing import Any

from common.errors import UserError
from storage.previews.options import Preview, PreviewOptions, as_json
from storage.previews.reading import Source

PAGE, MAX_PAGE = 64 * 1024, 1024**2
MAX_CHART_BYTES = 10 * 1024**2


def text(source: Source, options: PreviewOptions) -> Preview:
    """Up to ``limit`` bytes of the head or tail as JSON: text, size, and whether that is all."""
    length = min(options.limit or PAGE, MAX_PAGE, source.size)
    start = source.size - length if options.end == "tail" else min(options.offset, source.size)
    length = min(length, source.size - start)
    raw = source.read(start, length)
    if b"\0" in raw[:8192]:
        raise UserError(f"“{source.name}” is not text, and of no type that can be shown.", code="no_preview")
    if start and options.end == "tail":
        raw = raw[raw.find(b"\n") + 1 :]
    shown = raw.decode("utf-8", "replace")
    return as_json({"text": shown, "size": source.size, "offset": start, "complete": length == source.size})


def is_chart(source: Source) -> bool:
    """True when the beginning of the file names the schema of Vega-Lite."""
    return b"vega-lite" in source.read(0, min(source.size, 4096))


def chart(source: Source, options: PreviewOptions) -> Preview:
    """The chart as it is. UserError ``unreadable_file`` when it is no JSON, ``chart_with_address`` when it loads data.

    Data are in the file: a chart that a job or a stranger wrote must not make the browser ask for other addresses.
    """
    if source.size > MAX_CHART_BYTES:
        raise source.too_large()
    raw = source.read(0, source.size)
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise source.unreadable(f"it is not whole JSON ({str(error)[:200]})") from error
    if not isinstance(body, dict) or "vega-lite" not in str(body.get("$schema", "")):
        raise UserError(f"“{source.name}” is not a Vega-Lite chart.", code="no_preview", hint="Look at it as text.")
    if _loads_data(body):
        raise UserError("This chart loads data from an address, which is not done here.", code="chart_with_address")
    return Preview(content_type="application/json", content=raw)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not a JSON number")


def _loads_data(body: Any) -> bool:
    waiting = [body]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            data = part.get("data")
            if isinstance(data, dict) and "url" in data:
                return True
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return False
