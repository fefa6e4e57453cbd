"""Charts as Vega-Lite documents, with one look for all tools."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit import write_json

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
ACCENT, WARN, QUIET = "#0b6e99", "#c2410c", "#8a94a0"


def chart(title: str, body: dict[str, Any], *, subtitle: str = "") -> dict[str, Any]:
    """Return a Vega-Lite document; colours of text and ground are left to the page (light or dark)."""
    heading: dict[str, Any] = {"text": title, "anchor": "start", "fontSize": 14}
    if subtitle:
        heading["subtitle"] = subtitle
    config = {"background": None, "view": {"stroke": None}, "axis": {"titleFontWeight": "normal"}}
    return {"$schema": SCHEMA, "title": heading, **body, "config": config}


def number(field: str, title: str, **more: Any) -> dict[str, Any]:
    """Return the encoding of a quantity with its axis title (and unit)."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def category(field: str, title: str | None, **more: Any) -> dict[str, Any]:
    """Return the encoding of a name or a flag."""
    return {"field": field, "type": "nominal", "title": title, **more}


def selector(name: str, label: str, options: Sequence[str]) -> dict[str, Any]:
    """Return a menu over the chart; rows are filtered with `datum.<field> == <name>`."""
    return {
        "name": name,
        "value": options[0],
        "bind": {"input": "select", "options": list(options), "name": f"{label} "},
    }


def histogram(values: Any, edges: Sequence[float], title: str, axis: str, *, subtitle: str = "") -> dict[str, Any]:
    """Return a bar chart of already counted bins: `values` per bin, `edges` one more."""
    rows = [
        {"from": round(float(a), 4), "to": round(float(b), 4), "count": int(n)}
        for a, b, n in zip(edges[:-1], edges[1:], values, strict=True)
    ]
    encoding = {
        "x": number("from", axis, bin={"binned": True}, scale={"zero": False}),
        "x2": {"field": "to"},
        "y": number("count", "voxels"),
        "tooltip": [number("from", "from"), number("to", "to"), number("count", "voxels")],
    }
    body = {
        "width": "container",
        "height": 260,
        "data": {"values": rows},
        "mark": {"type": "bar", "color": ACCENT},
        "encoding": encoding,
    }
    return chart(title, body, subtitle=subtitle)


def save_chart(path: Path, document: dict[str, Any]) -> None:
    """Write the chart; whoever follows the file sees the old one or the new one, never half of it."""
    write_json(path, document)
