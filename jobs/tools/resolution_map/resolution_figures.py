"""What the resolution map shows: the FSC chart, the histogram and slices coloured by resolution."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import starfile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from toolkit_charts import ACCENT, QUIET, WARN, category, chart, number
from toolkit_images import fit, sheet

Array = NDArray[np.floating]

LIMIT = 0.143
COLOURS = ("#2c3e9e", "#2f7fc1", "#2bb5a6", "#7fcf5b", "#f0d43a", "#f08a24", "#c8271f")
"""From fine (blue) to coarse (red), as local resolution is commonly drawn."""

CURVES = {
    "rlnFourierShellCorrelationCorrected": "corrected",
    "rlnFourierShellCorrelationUnmaskedMaps": "no mask",
    "rlnFourierShellCorrelationMaskedMaps": "masked",
    "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps": "phases randomised",
}


@dataclass(frozen=True, kw_only=True)
class Fsc:
    """Curves by name over spatial frequency (1/Å), and RELION's global resolution in Å."""

    frequency: Array
    curves: dict[str, Array]
    resolution: float

    @property
    def main(self) -> str:
        """Return the name of the curve that the resolution is read from."""
        return "corrected" if "corrected" in self.curves else "no mask"

    def crossing(self) -> float | None:
        """Return where the main curve first falls below 0.143, in Å, between two shells; None when it never does."""
        values = self.curves[self.main]
        below = np.flatnonzero(values[1:] < LIMIT)
        if not below.size:
            return None
        after = int(below[0]) + 1
        high, low = values[after - 1], values[after]
        part = (high - LIMIT) / (high - low) if high > low else 1.0
        at = self.frequency[after - 1] + part * (self.frequency[after] - self.frequency[after - 1])
        return float(1 / at) if at > 0 else None


def read_fsc(path: Path, *, masked: bool) -> Fsc:
    """Return the curves in RELION's post-processing STAR file; without a mask only one of them means anything."""
    tables = starfile.read(path, always_dict=True)
    table, general = tables["fsc"], tables["general"]
    value = general["rlnFinalResolution"]
    wanted = CURVES if masked else {"rlnFourierShellCorrelationUnmaskedMaps": "no mask"}
    curves = {label: table[column].to_numpy(float) for column, label in wanted.items() if column in table}
    frequency = np.array(table["rlnResolution"], dtype=float)
    frequency[0] = 0.0  # RELION writes 999 Å for the constant term
    return Fsc(frequency=frequency, curves=curves, resolution=float(value if np.isscalar(value) else value.iloc[0]))


def fsc_rows(fsc: Fsc) -> list[dict[str, Any]]:
    """Return the curves as rows: spatial frequency, resolution, and a column per curve."""
    return [
        {
            "frequency_per_A": round(float(k), 6),
            "resolution_A": round(float(1 / k), 3) if k > 0 else "",
            **{name.replace(" ", "_"): round(float(values[shell]), 5) for name, values in fsc.curves.items()},
        }
        for shell, k in enumerate(fsc.frequency)
    ]


def fsc_chart(fsc: Fsc) -> dict[str, Any]:
    """Return the FSC curves over resolution with the 0.143 line and the place where it is crossed."""
    rows = [
        {
            "curve": name,
            "k": round(float(k), 6),
            "fsc": round(float(v), 4),
            "d": round(float(1 / k), 2) if k > 0 else None,
        }
        for name, values in fsc.curves.items()
        for k, v in zip(fsc.frequency, values, strict=True)
    ]
    names = list(fsc.curves)
    known = {fsc.main: ACCENT, "masked": "#7c5cbf", "phases randomised": "#b0885a"}
    colours = [known.get(name, QUIET) for name in names]
    axis = {"labelExpr": "datum.value > 0 ? format(1 / datum.value, '.1f') + ' Å' : '∞'", "grid": False}
    lines = {
        "data": {"values": rows},
        "mark": {"type": "line", "clip": True, "strokeWidth": 2},
        "encoding": {
            "x": number("k", "resolution", axis=axis),
            "y": number("fsc", "Fourier shell correlation", scale={"domain": [-0.1, 1]}),
            "color": category("curve", None, scale={"domain": names, "range": colours}),
            "tooltip": [category("curve", "curve"), number("d", "Å"), number("fsc", "FSC")],
        },
    }
    limit = {"data": {"values": [{"y": LIMIT}]}, "mark": {"type": "rule", "strokeDash": [4, 4], "color": QUIET}}
    layers = [lines, {**limit, "encoding": {"y": number("y", None)}}]
    crossing = fsc.crossing()
    if crossing is not None:
        layers += crossing_layers(crossing)
        told = f"crosses {LIMIT} at {crossing:.2f} Å; last shell above it: {fsc.resolution:.2f} Å"
    else:
        told = f"stays above {LIMIT} up to the pixel size's limit of {2 * pixel(fsc):.2f} Å"
    return chart("Fourier shell correlation", {"width": "container", "height": 300, "layer": layers}, subtitle=told)


def pixel(fsc: Fsc) -> float:
    """Return the pixel size that the curve's last shell (Nyquist) belongs to."""
    return float(0.5 / fsc.frequency[-1])


def crossing_layers(crossing: float) -> list[dict[str, Any]]:
    """Return the marks that point at the crossing and name it."""
    data = {"values": [{"k": 1 / crossing, "fsc": LIMIT, "text": f"{crossing:.1f} Å"}]}
    place = {"x": number("k", None), "y": number("fsc", None)}
    dot = {"type": "point", "filled": True, "size": 80, "color": WARN}
    name = {"type": "text", "dx": 8, "dy": -10, "align": "left", "color": WARN, "fontWeight": "bold", "fontSize": 13}
    return [
        {"data": data, "mark": {"type": "rule", "color": WARN, "strokeDash": [2, 3]}, "encoding": {"x": place["x"]}},
        {"data": data, "mark": dot, "encoding": place},
        {"data": data, "mark": name, "encoding": {**place, "text": {"field": "text", "type": "nominal"}}},
    ]


def palette(values: Array, low: float, high: float) -> NDArray[np.uint8]:
    """Return RGB colours for resolutions in Å, from `low` (fine) to `high` (coarse); beyond them the ends' colours."""
    stops = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in COLOURS], float)
    place = np.clip((values - low) / max(high - low, 1e-6), 0, 1) * (len(stops) - 1)
    left = np.minimum(place.astype(int), len(stops) - 2)
    part = (place - left)[..., None]
    return (stops[left] * (1 - part) + stops[left + 1] * part).astype(np.uint8)


def coloured_slice(
    density: Array, resolution: Array, inside: NDArray[np.bool_], span: tuple[float, float]
) -> Image.Image:
    """Return a slice: density as brightness and, inside the mask, resolution as colour; row 0 is at the bottom."""
    bottom, top = np.percentile(density, [1, 99.7])
    light = np.clip((density - bottom) / max(float(top - bottom), 1e-12), 0, 1)[..., None]
    colour = palette(resolution, *span).astype(float)
    tinted = colour * (0.4 + 0.6 * light)
    grey = np.repeat(255 * (0.08 + 0.5 * light), 3, axis=-1)
    picture = np.where(inside[..., None], tinted, grey)
    return fit(np.ascontiguousarray(np.flipud(picture).astype(np.uint8)), 260)


def scale_bar(span: tuple[float, float], width: int) -> Image.Image:
    """Return the colour scale with its numbers in Å."""
    picture = Image.new("RGB", (width, 52), "white")
    ramp = palette(np.linspace(*span, width - 60)[None, :].repeat(16, axis=0), *span)
    picture.paste(Image.fromarray(ramp), (30, 4))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=13)
    for part in np.linspace(0, 1, 5):
        value = span[0] + part * (span[1] - span[0])
        place = 30 + part * (width - 61)
        draw.text((place, 26), f"{value:.1f} A", fill="#222222", font=font, anchor="mt")
        # The font has no Å: the ring is drawn over the A.
        right = place + draw.textlength(f"{value:.1f} A", font=font) / 2
        draw.ellipse((right - 7, 21, right - 3, 25), outline="#222222")
    return picture


def coloured_slices(density: Array, resolution: Array, mask: Array, span: tuple[float, float]) -> Image.Image:
    """Return slices across z, y and x at the middle and to both sides of it, and under them the scale in Å."""
    box = density.shape[0]
    inside = mask > 0.5
    pictures = []
    for name, axis in (("z", 0), ("y", 1), ("x", 2)):
        for at in (round(0.4 * box), box // 2, round(0.6 * box)):
            parts = [np.take(volume, at, axis=axis) for volume in (density, resolution, inside)]
            pictures.append((f"{name} = {at}", coloured_slice(parts[0], parts[1], parts[2], span)))
    page = sheet(pictures, 3)
    bar = scale_bar(span, page.width)
    whole = Image.new("RGB", (page.width, page.height + bar.height), "white")
    whole.paste(page, (0, 0))
    whole.paste(bar, (0, page.height))
    return whole
