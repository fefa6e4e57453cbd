"""`python -m samples OUT_DIR [--small]` writes the sample data."""

import argparse
import json
from pathlib import Path

from samples.maps import (
    AVERAGE_BOX,
    AVERAGE_PIXEL,
    COARSEST,
    FINEST,
    HALF_BOX,
    HALF_PIXEL,
    write_averages,
    write_half_maps,
)
from samples.movies import DOSE_PER_FRAME, PIXEL_SIZE, Motion, Plan, write_movies
from samples.optics import VOLTAGE

FULL = Plan(count=4, frames=20, size=768, particles=16)
SMALL = Plan(count=2, frames=8, size=384, particles=4)


def manifest(plan: Plan, motions: dict[str, Motion], box: int, pixel_size: float) -> dict[str, object]:
    """Return what samples.json says: where each thing is, its units, and the truth behind it."""
    return {
        "movies": {
            "files": [f"movies/{name}.tiff" for name in motions],
            "twin_as_mrc": "movies/mic_001.mrc",
            "gain": "gain/gain.mrc",
            "frames": plan.frames,
            "size": plan.size,
            "pixel_size": PIXEL_SIZE,
            "voltage": VOLTAGE,
            "dose_per_frame": DOSE_PER_FRAME,
            "truth": {
                name: {"whole": motion.whole.round(4).tolist(), "bend": motion.bend.round(5).tolist()}
                for name, motion in motions.items()
            },
        },
        "averages": {
            "file": "averages/averages.mrcs",
            "star": "averages/averages.star",
            "pixel_size": AVERAGE_PIXEL,
            "box": AVERAGE_BOX,
            "particle_diameter": 250,
            "truth": "truth/structure.mrc",
        },
        "resolution": {
            "half_maps": ["resolution/half1.mrc", "resolution/half2.mrc"],
            "mask": "resolution/mask.mrc",
            "pixel_size": round(pixel_size, 4),
            "box": box,
            "range": [round(value * pixel_size / HALF_PIXEL, 2) for value in (FINEST, COARSEST)],
            "truth": "truth/local_resolution.mrc",
        },
    }


def generate(out: Path, *, small: bool = False) -> None:
    """Write the whole sample folder; `small` makes quick, coarse data for tests of the plumbing."""
    plan, averages, box = (SMALL, 12, 48) if small else (FULL, 40, HALF_BOX)
    out.mkdir(parents=True, exist_ok=True)
    motions = write_movies(out, plan)
    write_averages(out, averages)
    pixel_size = write_half_maps(out, box)
    (out / "samples.json").write_text(json.dumps(manifest(plan, motions, box, pixel_size), indent=1) + "\n")


def main() -> None:
    """Write the samples where the command line says."""
    parser = argparse.ArgumentParser(prog="python -m samples", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write into; made when it is missing")
    parser.add_argument("--small", action="store_true", help="a few seconds' worth of coarse data")
    arguments = parser.parse_args()
    generate(arguments.out, small=arguments.small)


if __name__ == "__main__":
    main()
