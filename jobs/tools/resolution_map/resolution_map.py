"""Measure how well a map is resolved, as a whole and place by place, from its two half maps.

`relion_postprocess` gives the Fourier shell correlation, and with `--locres` the local resolution. The latter's cost
goes with (box × diameter / sampling)³, so the maps are first cut down to the mask, and the sampling is the choice
between speed and detail.
"""

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
from half_maps import Array, HalfMaps, crop, cropped_side, read_half_maps, uncrop
from resolution_figures import COLOURS, Fsc, coloured_slices, fsc_chart, fsc_rows, read_fsc
from toolkit import (
    Parser,
    ToolError,
    above_zero,
    keep,
    mpi,
    progress,
    require,
    run_program,
    run_tool,
    write_csv,
    write_json,
)
from toolkit_charts import histogram, save_chart
from toolkit_images import save_png, write_image

WORK = Path("work")
DETAIL = {"quick": (4.5, 7), "standard": (3.5, 10), "fine": (2.5, 16)}
"""Sampling distance: so many times the global resolution, but at most so many steps across the particle."""


@dataclass(frozen=True, kw_only=True)
class Local:
    """The local resolution in Å and the map filtered by it, in the full box, and the sampling used (Å)."""

    resolution: Array
    filtered: Array
    sampling: float


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the parameters of the command line, each within its range."""
    parser = Parser(prog="resolution_map")
    parser.add_argument("--half1", type=Path, required=True)
    parser.add_argument("--half2", type=Path, required=True)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--pixel-size", type=float)
    parser.add_argument("--detail", choices=sorted(DETAIL), default="standard")
    parser.add_argument("--sampling", type=float)
    parser.add_argument("--worst-resolution", type=float, default=50.0)
    parser.add_argument("--bfactor", type=float, default=0.0)
    parser.add_argument("--whole-box", action="store_true")
    parser.add_argument("--nr-mpi", type=int, default=1)
    given = parser.parse_args(argv)
    for name in ("pixel_size", "sampling", "worst_resolution"):
        if getattr(given, name) is not None:
            above_zero(getattr(given, name), name, f"the {name.replace('_', ' ')}")
    require(-2000 <= given.bfactor <= 2000, "bfactor", "the B-factor is out of range.", "Give -2000 to 2000 Å².")
    require(given.nr_mpi >= 1, "nr_mpi", "there must be a process.", "Give 1 or more.")
    return given


def write_inputs(folder: Path, maps: HalfMaps, side: int) -> list[str]:
    """Return the arguments that name the maps, which stand in `folder` cut to cubes of `side` voxels."""
    folder.mkdir(parents=True)
    # Without any mask RELION 3.1.3 ends with an error after the FSC, so the whole box is a mask as well.
    for name, volume in (("half1", maps.first), ("half2", maps.second), ("mask", maps.mask)):
        write_image(folder / f"{name}.mrc", crop(volume, side), maps.pixel_size)
    return ["--i", "half1.mrc", "--i2", "half2.mrc", "--angpix", f"{maps.pixel_size:.6f}", "--mask", "mask.mrc"]


def global_resolution(given: argparse.Namespace, maps: HalfMaps) -> Fsc:
    """Return the Fourier shell correlation; the post-processed map stands under its final name."""
    folder = WORK / "global"
    argv = ["relion_postprocess", *write_inputs(folder, maps, maps.box), "--o", "out/map"]
    argv += ["--adhoc_bfac", f"{given.bfactor:g}"]
    (folder / "out").mkdir()
    run_program(argv, log=Path("fsc.log"), cwd=folder)
    keep(folder / "out/map.mrc", Path("postprocessed.mrc"))
    return read_fsc(folder / "out/map.star", masked=maps.masked)


def sampling_distance(given: argparse.Namespace, resolution: float, width: float, pixel_size: float) -> float:
    """Return the sampling distance in Å for a particle `width` Å wide: what was asked for, else by the detail."""
    if given.sampling is not None:
        return float(given.sampling)
    times, steps = DETAIL[given.detail]
    return max(times * resolution, width / steps, 4 * pixel_size)


def local_resolution(given: argparse.Namespace, maps: HalfMaps, fsc: Fsc) -> Local:
    """Return the local resolution and the map filtered by it."""
    width = cropped_side(maps.mask, 0) * maps.pixel_size
    sampling = sampling_distance(given, fsc.resolution, width, maps.pixel_size)
    require(
        2 * maps.pixel_size <= sampling <= width / 2,
        "sampling",
        f"the sampling of {sampling:.1f} Å does not suit a map {width:.0f} Å wide.",
        f"Give {2 * maps.pixel_size:.0f} to {width / 2:.0f} Å.",
    )
    side = cropped_side(maps.mask, sampling / maps.pixel_size)
    folder = WORK / "local"
    argv = [*mpi(given.nr_mpi), "relion_postprocess_mpi" if given.nr_mpi > 1 else "relion_postprocess"]
    argv += [*write_inputs(folder, maps, side), "--o", "out/map", "--adhoc_bfac", f"{given.bfactor:g}", "--locres"]
    argv += ["--locres_sampling", f"{sampling:.3f}", "--locres_minres", f"{given.worst_resolution:g}"]
    argv += ["--locres_randomize_at", f"{max(25.0, 1.5 * fsc.resolution):.2f}"]
    (folder / "out").mkdir()
    run_program(argv, log=Path("local_resolution.log"), cwd=folder)
    volumes = []
    for name, fill in (("map_locres", given.worst_resolution), ("map_locres_filtered", 0.0)):
        with mrcfile.open(folder / f"out/{name}.mrc", permissive=True) as mrc:
            volumes.append(uncrop(np.array(mrc.data, dtype=np.float32), maps.box, fill))
    return Local(resolution=volumes[0], filtered=volumes[1], sampling=sampling)


def publish(maps: HalfMaps, fsc: Fsc, local: Local) -> None:
    """The maps, charts, slices and the summary stand under their final names."""
    mask = maps.mask
    inside = local.resolution[(mask > 0.5) & (local.resolution > 0)]
    if not inside.size:
        raise ToolError("no-local-resolution", "No voxel inside the mask got a resolution.", hint="Check the mask.")
    span = (float(np.percentile(inside, 2)), float(np.percentile(inside, 98)))
    if span[1] - span[0] < 0.2:
        span = (span[0] - 0.1, span[1] + 0.1)
    write_image(Path("local_resolution.mrc"), local.resolution, maps.pixel_size)
    write_image(Path("local_filtered.mrc"), local.filtered, maps.pixel_size)
    write_image(Path("mask_used.mrc"), mask, maps.pixel_size)
    counts, edges = np.histogram(inside, bins=30)
    middle = float(np.median(inside))
    told = f"inside the mask; median {middle:.1f} Å, sampled every {local.sampling:.0f} Å"
    document = histogram(counts, edges.tolist(), "Local resolution", "resolution (Å)", subtitle=told)
    save_chart(Path("histogram.vl.json"), document)
    save_png(Path("slices.png"), coloured_slices(local.filtered, local.resolution, mask, span))
    crossing = fsc.crossing()
    summary = {
        "resolution_A": round(fsc.resolution, 3),
        "crossing_0143_A": round(crossing, 3) if crossing is not None else None,
        "local_median_A": round(middle, 2),
        "local_finest_A": round(float(inside.min()), 2),
        "local_coarsest_A": round(float(inside.max()), 2),
        "colour_range_A": [round(span[0], 2), round(span[1], 2)],
        "colours": list(COLOURS),
        "sampling_A": round(local.sampling, 2),
        "pixel_size_A": round(maps.pixel_size, 4),
        "box": maps.box,
        "mask": maps.mask_from,
        "mask_fraction": round(float((mask > 0.5).mean()), 4),
        "suggested_threshold": round(float(np.percentile(local.filtered[mask > 0.5], 60)), 6),
    }
    write_json(Path("summary.json"), summary)


def main() -> None:
    """Check the half maps, measure the resolution and draw it."""
    given = parse()
    maps = read_half_maps(given.half1, given.half2, given.mask, given.pixel_size, whole_box=given.whole_box)
    shutil.rmtree(WORK, ignore_errors=True)
    progress(0, 3, "Fourier shell correlation")
    fsc = global_resolution(given, maps)
    save_chart(Path("fsc.vl.json"), fsc_chart(fsc))
    write_csv(Path("fsc.csv"), fsc_rows(fsc))
    progress(1, 3, "local resolution")
    local = local_resolution(given, maps, fsc)
    progress(2, 3, "figures")
    publish(maps, fsc, local)
    progress(3, 3, f"resolution {fsc.resolution:.1f} Å")
    shutil.rmtree(WORK)


if __name__ == "__main__":
    run_tool(main)
