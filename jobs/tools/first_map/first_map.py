"""Make a first 3-D map from 2-D class averages, with RELION's gradient-driven initial model.

Such a search starts from random orientations and may end in a wrong map, so it is run from several seeds and the best
is kept. The score is the log-likelihood that RELION states for its last iteration, divided by the number of averages.
That iteration uses all averages and the same resolution limit for every seed, so the numbers can be compared: a map
that explains the averages with less left over has the higher one. On simulated averages it put every right map above
every wrong one, which the mean of the highest orientation probability (Pmax) did not. The hand cannot be known from
averages: the map may be the mirror image.
"""

import argparse
import math
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import starfile
from averages import Averages, coarser, normalised, read_averages
from numpy.typing import NDArray
from PIL import Image
from toolkit import Parser, ToolError, above_zero, progress, require, run_programs, run_tool, write_csv, write_json
from toolkit_charts import ACCENT, QUIET, category, chart, number, save_chart
from toolkit_images import fit, save_png, sheet, to_grey, write_image

WORK = Path("work")
ROUNDS = {"quick": (20, 20, 5), "standard": (30, 60, 10), "thorough": (50, 200, 50)}
"""Iterations at the start resolution, in between, and at the final resolution."""

SYMMETRY = re.compile(r"C[1-9]\d?|D[1-9]\d?|T|O|I[1-4]?")
SLICE_SIDE = 220

LOOK_BACK = 10
"""The chart compares a map with the one so many iterations before: next to each other they always look alike."""


@dataclass(kw_only=True)
class Search:
    """One seed's search: the points of its chart so far and the newest of its maps, the last one at the end."""

    seed: int
    points: list[dict[str, Any]]
    maps: list[NDArray[np.floating]]
    iteration: int = -1

    @property
    def root(self) -> str:
        """Return the beginning of the names RELION gives to this search's files, in the work folder."""
        return f"seed{self.seed}/run"


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the parameters of the command line, each within its range."""
    parser = Parser(prog="first_map")
    parser.add_argument("--averages", type=Path, required=True)
    parser.add_argument("--stack", type=Path)
    parser.add_argument("--pixel-size", type=float)
    parser.add_argument("--particle-diameter", type=float, required=True)
    parser.add_argument("--symmetry", default="C1")
    parser.add_argument("--effort", choices=sorted(ROUNDS), default="standard")
    for name, kind, default in (
        ("classes", int, 1),
        ("seeds", int, 4),
        ("first-seed", int, 1),
        ("start-resolution", float, 60.0),
        ("final-resolution", float, 30.0),
        ("offset-range", float, 6.0),
        ("threads", int, 1),
    ):
        parser.add_argument(f"--{name}", type=kind, default=default)
    given = parser.parse_args(argv)
    check_ranges(given)
    return given


def check_ranges(given: argparse.Namespace) -> None:
    """Raise a ToolError for the first parameter that makes no sense."""
    if given.pixel_size is not None:
        above_zero(given.pixel_size, "pixel_size", "the pixel size")
    above_zero(given.particle_diameter, "particle_diameter", "the particle diameter")
    given.symmetry = given.symmetry.strip().upper()
    require(
        SYMMETRY.fullmatch(given.symmetry) is not None,
        "symmetry",
        f"{given.symmetry!r} is no point group.",
        "Write C1, C4, D7, T, O, I1 and so on.",
    )
    require(1 <= given.classes <= 10, "classes", "the number of classes is out of range.", "Give 1 to 10.")
    require(1 <= given.seeds <= 20, "seeds", "the number of seeds is out of range.", "Give 1 to 20.")
    require(given.first_seed >= 0, "first_seed", "the first seed is negative.", "Give 0 or more.")
    above_zero(given.final_resolution, "final_resolution", "the final resolution")
    require(
        math.isfinite(given.start_resolution) and given.start_resolution >= given.final_resolution,
        "start_resolution",
        "the start resolution is finer than the final one.",
        "Start coarse (a larger number of Å) and end fine.",
    )
    require(given.offset_range >= 0, "offset_range", "the offset range is negative.", "Give 0 or more pixels.")
    require(given.threads >= 1, "threads", "there must be a thread.", "Give 1 or more.")


def prepare(given: argparse.Namespace) -> Averages:
    """Return the averages as used; their normalised stack and its STAR file are in the work folder."""
    averages = read_averages(given.averages, given.stack, given.pixel_size)
    width = averages.images.shape[1] * averages.pixel_size
    require(
        4 * averages.pixel_size < given.particle_diameter < width,
        "particle_diameter",
        f"a particle of {given.particle_diameter:g} Å does not fit images {width:.0f} Å wide.",
        "Check the diameter and the pixel size.",
    )
    require(
        given.final_resolution >= 2 * averages.pixel_size,
        "final_resolution",
        f"{given.final_resolution:g} Å is finer than pixels of {averages.pixel_size:g} Å can show.",
        f"Give {2 * averages.pixel_size:.0f} Å or more.",
    )
    averages = coarser(averages, given.final_resolution / 6)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    write_image(WORK / "averages.mrcs", normalised(averages, given.particle_diameter), averages.pixel_size, stack=True)
    rows = "".join(f"{index + 1:06d}@averages.mrcs 1\n" for index in range(len(averages.images)))
    (WORK / "averages.star").write_text(
        "data_optics\n\nloop_\n_rlnOpticsGroupName #1\n_rlnOpticsGroup #2\n_rlnImagePixelSize #3\n_rlnImageSize #4\n"
        "_rlnImageDimensionality #5\n_rlnVoltage #6\n_rlnSphericalAberration #7\n_rlnAmplitudeContrast #8\n"
        f"opticsGroup1 1 {averages.pixel_size:.6f} {averages.images.shape[1]} 2 300.0 2.7 0.1\n\n\n"
        f"data_particles\n\nloop_\n_rlnImageName #1\n_rlnOpticsGroup #2\n{rows}\n"
    )
    return averages


def command(given: argparse.Namespace, search: Search, count: int, threads: int) -> list[str]:
    """Return RELION's command line for one seed, to be run in the work folder."""
    start, between, end = ROUNDS[given.effort]
    argv = ["relion_refine", "--i", "averages.star", "--o", search.root, "--denovo_3dref", "--sgd"]
    argv += ["--random_seed", str(search.seed), "--sym", given.symmetry, "--K", str(given.classes)]
    argv += ["--particle_diameter", f"{given.particle_diameter:g}", "--zero_mask", "--flatten_solvent"]
    argv += ["--oversampling", "1", "--healpix_order", "1", "--offset_step", "2"]
    argv += ["--offset_range", f"{given.offset_range:g}", "--pad", "1", "--pool", "8", "--dont_check_norm"]
    argv += ["--sgd_ini_iter", str(start), "--sgd_inbetween_iter", str(between), "--sgd_fin_iter", str(end)]
    argv += ["--sgd_ini_subset", str(max(5, min(100, count // 2))), "--sgd_fin_subset", str(count)]
    argv += ["--sgd_ini_resol", f"{given.start_resolution:g}", "--sgd_fin_resol", f"{given.final_resolution:g}"]
    return [*argv, "--sgd_write_iter", "1", "--j", str(threads)]


class Watch:
    """Follows all searches: reads each iteration once, draws the chart again and removes what is no longer needed."""

    def __init__(self, given: argparse.Namespace, searches: list[Search]) -> None:
        self.searches = searches
        self.rounds = sum(ROUNDS[given.effort])
        self.classes = given.classes

    def look(self, *, ended: bool = False) -> None:
        """Every iteration that RELION has finished is in the chart; `ended` tells that it writes no more."""
        news = [search for search in self.searches if self.read_new(search, ended=ended)]
        if news:
            self.draw()
            done = sum(max(0, search.iteration) for search in self.searches)
            newest = max(news, key=lambda search: search.iteration)
            text = f"iteration {newest.iteration} of {self.rounds}, seed {newest.seed}"
            progress(done, self.rounds * len(self.searches), text)

    def read_new(self, search: Search, *, ended: bool) -> bool:
        """Return whether the search has gone on; its newest whole iteration is read.

        RELION writes an iteration's files in place, so one is whole only when the next has begun or RELION has ended.
        """
        found = False
        while self.begun(search, search.iteration + 1) and (ended or self.begun(search, search.iteration + 2)):
            self.read_iteration(search, search.iteration + 1)
            found = True
        return found

    @staticmethod
    def begun(search: Search, iteration: int) -> bool:
        """Return whether RELION has begun to write that iteration."""
        return (WORK / f"{search.root}_it{iteration:03d}_optimiser.star").is_file()

    def read_iteration(self, search: Search, iteration: int) -> None:
        """The iteration's numbers are among the search's points, and the files of the one before are gone."""
        stem = f"{search.root}_it{iteration:03d}"
        general = starfile.read(WORK / f"{stem}_model.star", always_dict=True)["model_general"]
        volumes = [read_volume(WORK / f"{stem}_class{index:03d}.mrc") for index in range(1, self.classes + 1)]
        current = np.stack(volumes)
        if search.maps:
            likeness = correlation(search.maps[0], current)
            sure = float(value_of(general, "rlnAveragePmax"))
            row = {"seed": str(search.seed), "iteration": iteration, "likeness": round(likeness, 4)}
            search.points.append({**row, "sure": round(sure, 4)})
        for old in WORK.glob(f"{search.root}_it{search.iteration:03d}_*"):
            old.unlink()
        search.maps = [*search.maps[-(LOOK_BACK - 1) :], current]
        search.iteration = iteration

    def draw(self, best: int | None = None) -> None:
        """The chart stands with all points so far; the kept seed stands out once it is known."""
        rows = [point for search in self.searches for point in search.points]
        if rows:
            save_chart(Path("progress.vl.json"), progress_chart(rows, best))


def value_of(table: Any, column: str) -> Any:
    """Return a value from a STAR block of single values, however the reader gives it."""
    value = table[column]
    return value if np.isscalar(value) else value.iloc[0]


def read_volume(path: Path) -> NDArray[np.floating]:
    """Return a RELION map as float32."""
    with mrcfile.open(path, permissive=True) as mrc:
        return np.array(mrc.data, dtype=np.float32)


def correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return Pearson's correlation of all voxels; 0 when one of them is constant."""
    a, b = one.ravel() - one.mean(), other.ravel() - other.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else 0.0


def progress_chart(rows: list[dict[str, Any]], best: int | None) -> dict[str, Any]:
    """Return two curves per seed: how alike the map is to an earlier one, and how sure the orientations are."""
    colour: dict[str, Any] = category("seed", "seed")
    if best is not None:
        test = {"test": f"datum.seed == '{best}'", "value": ACCENT}
        colour = {"condition": test, "value": QUIET}
    views = [
        {
            "width": 520,
            "height": 150,
            "mark": {"type": "line", "point": {"size": 14}, "clip": True},
            "encoding": {
                "x": number("iteration", "iteration"),
                "y": number(field, title, scale={"zero": False}),
                "color": colour,
                "detail": category("seed", "seed"),
                "tooltip": [category("seed", "seed"), number("iteration", "iteration"), number(field, title)],
            },
        }
        for field, title in (("likeness", f"likeness {LOOK_BACK} rounds on"), ("sure", "mean Pmax"))
    ]
    subtitle = "both come close to 1 when a search settles" + (f"; seed {best} was kept" if best is not None else "")
    return chart("Progress of each seed", {"data": {"values": rows}, "vconcat": views}, subtitle=subtitle)


def scores(searches: list[Search], count: int) -> list[dict[str, Any]]:
    """Return a row per seed, best first: score, how sure the orientations are, likeness to the kept map's seed."""
    rows = []
    for search in searches:
        stem = WORK / f"{search.root}_it{search.iteration:03d}_model.star"
        general = starfile.read(stem, always_dict=True)["model_general"]
        likelihood = float(value_of(general, "rlnLogLikelihood"))
        sure = float(value_of(general, "rlnAveragePmax"))
        rows.append({"seed": search.seed, "score": round(likelihood / count, 2), "mean_Pmax": round(sure, 4)})
    rows.sort(key=lambda row: -float(row["score"]))
    return [{**row, "kept": "yes" if place == 0 else "no"} for place, row in enumerate(rows)]


def class_shares(search: Search) -> list[float]:
    """Return which part of the averages went to each class."""
    path = WORK / f"{search.root}_it{search.iteration:03d}_model.star"
    shares = starfile.read(path, always_dict=True)["model_classes"]["rlnClassDistribution"]
    return [float(shares)] if np.isscalar(shares) else [float(share) for share in shares]


def slices(volumes: NDArray[np.floating]) -> Image.Image:
    """Return one picture: for each class the middle slices across z, y and x."""
    middle = volumes.shape[1] // 2
    pictures = []
    for index, volume in enumerate(volumes, start=1):
        for name, cut in (("z", volume[middle]), ("y", volume[:, middle]), ("x", volume[:, :, middle])):
            caption = f"class {index}, across {name}" if len(volumes) > 1 else f"across {name}"
            pictures.append((caption, fit(to_grey(cut, SLICE_SIDE, high=99.8), SLICE_SIDE)))
    return sheet(pictures, 3)


def finish(searches: list[Search], averages: Averages, watch: Watch) -> None:
    """The kept seed's maps, the table of scores, the slices and the summary stand under their final names."""
    rows = scores(searches, len(averages.images))
    best = next(search for search in searches if search.seed == rows[0]["seed"])
    if not best.maps:
        raise ToolError("no-map", "RELION wrote no map.", hint="Look at the seed logs.")
    shares = class_shares(best)
    order = sorted(range(len(shares)), key=lambda index: -shares[index])
    volumes = best.maps[-1][order]
    for index, volume in enumerate(volumes, start=1):
        write_image(Path(f"map_class{index:03d}.mrc"), volume, averages.pixel_size)
    save_png(Path("slices.png"), slices(volumes))
    write_csv(Path("scores.csv"), rows)
    watch.draw(best.seed)
    summary = {
        "seed": best.seed,
        "score": rows[0]["score"],
        "averages_used": len(averages.images),
        "pixel_size_A": round(averages.pixel_size, 4),
        "box": int(volumes.shape[1]),
        "class_shares": [round(shares[index], 3) for index in order],
        "suggested_threshold": round(float(np.percentile(volumes[0], 97)), 6),
        "hand": "unknown: the map may be the mirror image",
    }
    write_json(Path("summary.json"), summary)


def main() -> None:
    """Check the averages, search from every seed and keep the best map."""
    given = parse()
    averages = prepare(given)
    searches = [Search(seed=given.first_seed + index, points=[], maps=[]) for index in range(given.seeds)]
    for search in searches:
        (WORK / f"seed{search.seed}").mkdir()
    watch = Watch(given, searches)
    at_once = min(len(searches), given.threads)
    commands = [command(given, search, len(averages.images), given.threads // at_once) for search in searches]
    logs = [Path(f"seed{search.seed}.log") for search in searches]
    progress(0, watch.rounds * len(searches), f"{len(averages.images)} averages, {len(searches)} seeds")
    run_programs(commands, logs=logs, cwd=WORK, at_once=at_once, follow=watch.look)
    watch.look(ended=True)
    finish(searches, averages, watch)
    shutil.rmtree(WORK)


if __name__ == "__main__":
    run_tool(main)
