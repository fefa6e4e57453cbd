"""How a movie moved, read from RELION's file, and the charts and the table made from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from toolkit import ToolError, write_csv, write_json
from toolkit_charts import ACCENT, QUIET, WARN, category, chart, number, save_chart, selector
from toolkit_star import Table, read_tables

Array = NDArray[np.floating]

EARLY_DOSE = 4.0
"""Motion up to this accumulated dose (e/Å²) counts as early, as RELION counts it."""

SHOWN = 60
"""No more movies than this are in the chart's menu: those that moved most. The table has all."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A movie's motion in Å relative to its first frame: the sample's, the opposite of the correction.

    `whole` has shape (frames, 2), columns x, y. `patches` has shape (patches, frames, 2), and `places` says where each
    patch is, in pixels (x, y): what was left to each patch after the whole field's motion was taken away.
    """

    name: str
    first_frame: int
    whole: Array
    places: Array
    patches: Array
    width: int
    height: int

    def path_length(self, dose_per_frame: float) -> tuple[float, float]:
        """Return how far the field travelled early and late, in Å, along its way."""
        steps = np.linalg.norm(np.diff(self.whole, axis=0), axis=1)
        # The step that ends at frame n (from 1) belongs to the dose that frame n completes.
        completed = (self.first_frame + np.arange(1, len(self.whole))) * dose_per_frame
        early = completed <= EARLY_DOSE + 1e-6
        return float(steps[early].sum()), float(steps[~early].sum())

    def bending(self) -> float:
        """Return the farthest that any patch has moved away from the whole field, in Å."""
        return float(np.linalg.norm(self.patches, axis=2).max()) if self.patches.size else 0.0


def read_drift(path: Path, name: str, pixel_size: float) -> Drift:
    """Return the motion in a RELION micrograph STAR file (its shifts are corrections in unbinned pixels)."""
    tables = read_tables(path)
    if "global_shift" not in tables:
        raise ToolError("no-motion", f"RELION wrote no motion for {name}.", about="movies")
    general, shifts = tables["general"], tables["global_shift"]
    whole = _columns(shifts, "rlnMicrographShiftX", "rlnMicrographShiftY")
    places, patches = np.empty((0, 2)), np.empty((0, len(whole), 2))
    if "local_shift" in tables:
        local = tables["local_shift"]
        frames = len(set(local["rlnMicrographFrameNumber"]))
        patches = _columns(local, "rlnMicrographShiftX", "rlnMicrographShiftY").reshape(-1, frames, 2)
        places = _columns(local, "rlnCoordinateX", "rlnCoordinateY").reshape(-1, frames, 2)[:, 0]
    return Drift(
        name=name,
        first_frame=int(shifts["rlnMicrographFrameNumber"][0]),
        whole=-(whole - whole[0]) * pixel_size,
        places=places,
        patches=-(patches - patches[:, :1]) * pixel_size,
        width=int(general["rlnImageSizeX"][0]),
        height=int(general["rlnImageSizeY"][0]),
    )


def _columns(table: Table, *labels: str) -> Array:
    """Return columns of numbers beside each other: shape (rows, labels)."""
    return np.array([table[label] for label in labels], dtype=float).T


def table(drifts: list[Drift], dose_per_frame: float) -> list[dict[str, Any]]:
    """Return a row per movie in Å.

    A movie is an outlier when its total motion is more than three times the spread above the median of the job's
    movies (spread = 1.4826 × the median distance from the median, at least 10 % of the median), from four movies on.
    """
    rows: list[dict[str, Any]] = []
    for drift in drifts:
        early, late = drift.path_length(dose_per_frame)
        rows.append(
            {
                "movie": drift.name,
                "frames": len(drift.whole),
                "total_motion_A": round(early + late, 2),
                "early_motion_A": round(early, 2),
                "late_motion_A": round(late, 2),
                "local_motion_A": round(drift.bending(), 2),
            }
        )
    totals = np.array([row["total_motion_A"] for row in rows])
    middle = float(np.median(totals))
    spread = max(1.4826 * float(np.median(np.abs(totals - middle))), 0.1 * middle)
    limit = middle + 3 * spread if len(rows) >= 4 else float("inf")
    for row in rows:
        row["outlier"] = "yes" if row["total_motion_A"] > limit else "no"
    return rows


def write_overview(drifts: list[Drift], pixel_size: float, dose_per_frame: float) -> None:
    """The charts and the table show these movies."""
    rows = table(drifts, dose_per_frame)
    save_chart(Path("drift.vl.json"), drift_chart(drifts, pixel_size))
    save_chart(Path("motion.vl.json"), summary_chart(rows))
    write_csv(Path("motion.csv"), rows)


def write_summary(drifts: list[Drift], dose_per_frame: float) -> None:
    """The few figures that stand above all results."""
    rows = table(drifts, dose_per_frame)
    totals = [row["total_motion_A"] for row in rows]
    summary = {
        "movies": len(rows),
        "median_total_motion_A": round(float(np.median(totals)), 2),
        "largest_total_motion_A": max(totals),
        "outliers": [row["movie"] for row in rows if row["outlier"] == "yes"],
    }
    write_json(Path("summary.json"), summary)


def summary_chart(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the chart of total motion per movie, early and late stacked, outliers marked."""
    kept = ("movie", "total_motion_A", "outlier")
    parts = [
        {**{key: row[key] for key in kept}, "part": part, "motion": row[f"{part}_motion_A"]}
        for row in rows
        for part in ("early", "late")
    ]
    tips = [category("movie", "movie"), category("part", "part"), number("motion", "Å")]
    bars = {
        "mark": {"type": "bar"},
        "encoding": {
            "y": number("motion", "path length (Å)", stack="zero"),
            "color": category("part", None, scale={"domain": ["early", "late"], "range": [ACCENT, "#9cc5d6"]}),
            "order": {"field": "part", "sort": "ascending"},
            "tooltip": [*tips, number("total_motion_A", "in all")],
        },
    }
    marks = {
        "transform": [{"filter": "datum.outlier == 'yes' && datum.part == 'late'"}],
        "mark": {
            "type": "text",
            "text": "outlier",
            "dy": -5,
            "baseline": "bottom",
            "color": WARN,
            "fontWeight": "bold",
        },
        "encoding": {"y": number("total_motion_A", "path length (Å)", stack=None)},
    }
    names = len(rows) <= 40
    body = {
        "width": "container",
        "height": 240,
        "data": {"values": parts},
        "encoding": {"x": category("movie", "movie", sort=None, axis={"labels": names, "ticks": names})},
        "layer": [bars, marks],
    }
    return chart("Motion of each movie", body, subtitle=f"early: up to {EARLY_DOSE:g} e/Å²")


def magnification(drift: Drift, pixel_size: float) -> float:
    """Return by how much the patches' tracks are enlarged so that the longest one spans a third of a patch."""
    reach = drift.bending() / pixel_size
    columns = len(np.unique(drift.places[:, 0])) or 1
    wanted = drift.width / columns / 3
    return float(max(1.0, np.floor(wanted / reach))) if reach > 0 else 1.0


def track_rows(drift: Drift, pixel_size: float) -> list[dict[str, Any]]:
    """Return a point per frame of the whole field (Å) and of each patch (pixels of the micrograph, enlarged)."""
    numbers = range(drift.first_frame, drift.first_frame + len(drift.whole))
    rows = [
        {"movie": drift.name, "track": "whole", "frame": n, "x": round(float(x), 3), "y": round(float(y), 3)}
        for n, (x, y) in zip(numbers, drift.whole, strict=True)
    ]
    times = magnification(drift, pixel_size)
    for place, (corner, patch) in enumerate(zip(drift.places, drift.patches, strict=True), start=1):
        for n, moved in zip(numbers, patch, strict=False):
            x, y = corner + moved / pixel_size * times
            rows.append(
                {
                    "movie": drift.name,
                    "track": f"patch {place}",
                    "frame": n,
                    "x": round(float(x), 1),
                    "y": round(float(y), 1),
                    "dx": round(float(moved[0]), 2),
                    "dy": round(float(moved[1]), 2),
                    "times": times,
                }
            )
    return rows


def _tracks(filters: list[str], x: dict[str, Any], y: dict[str, Any], tips: list[dict[str, Any]]) -> dict[str, Any]:
    line = {"mark": {"type": "line", "color": QUIET, "strokeWidth": 1.2}}
    dots = {
        "mark": {"type": "circle", "size": 26, "opacity": 1},
        "encoding": {"color": number("frame", "frame", scale={"scheme": "viridis"}), "tooltip": tips},
    }
    return {
        "width": 300,
        "height": 300,
        "transform": [{"filter": text} for text in filters],
        "encoding": {"x": x, "y": y, "order": number("frame", "frame"), "detail": category("track", None)},
        "layer": [line, dots],
    }


def drift_chart(drifts: list[Drift], pixel_size: float) -> dict[str, Any]:
    """Return the chart with a menu of movies: the whole field's track, and each patch's track where the patch is."""
    shown = sorted(drifts, key=lambda drift: -float(np.linalg.norm(np.diff(drift.whole, axis=0), axis=1).sum()))[:SHOWN]
    shown.sort(key=lambda drift: drift.name)
    frame = number("frame", "frame")
    whole = _tracks(
        ["datum.movie == shown_movie", "datum.track == 'whole'"],
        number("x", "x (Å)", scale={"zero": False, "nice": True}),
        number("y", "y (Å)", scale={"zero": False, "nice": True}),
        [frame, number("x", "x (Å)"), number("y", "y (Å)")],
    )
    side = {"domain": [0, shown[0].width]}, {"domain": [0, shown[0].height]}
    patches = _tracks(
        ["datum.movie == shown_movie", "datum.track != 'whole'"],
        number("x", "x (pixels)", scale=side[0]),
        number("y", "y (pixels)", scale=side[1]),
        [
            category("track", "patch"),
            frame,
            number("dx", "x (Å)"),
            number("dy", "y (Å)"),
            number("times", "enlarged ×"),
        ],
    )
    views = [{"title": "Whole field", **whole}]
    if any(len(drift.places) for drift in shown):
        views.append({"title": "Each patch, beyond the whole field (enlarged)", **patches})
    body = {
        "params": [selector("shown_movie", "Movie", [drift.name for drift in shown])],
        "data": {"values": [row for drift in shown for row in track_rows(drift, pixel_size)]},
        "hconcat": views,
    }
    left = len(drifts) - len(shown)
    more = f"the {SHOWN} movies that moved most; {left} more are in the table" if left else ""
    return chart("Drift during the exposure", body, subtitle=more)
