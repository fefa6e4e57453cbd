"""Make the results of one alignment from those of its parts, which aligned some of the movies each.

Files of single movies are taken as they are; the tables are put one after the other; charts, the table of motion with
its outliers, and the summary are made anew from all movies.
"""

import csv
import os
import shutil
from pathlib import Path

from alignment_motion import read_drift, write_overview, write_summary
from toolkit import Parser, progress, run_tool, whole

OF_A_MOVIE = ("aligned", "before", "power", "previews", "motion")
MICROGRAPHS = "corrected_micrographs.star"


def take(part: Path) -> None:
    """Every file of a single movie is here: the same file under a second name, or a copy on another file system."""
    for folder in OF_A_MOVIE:
        Path(folder).mkdir(exist_ok=True)
        for made in sorted((part / folder).iterdir()):
            try:
                os.link(made, Path(folder) / made.name)
            except OSError:
                shutil.copyfile(made, Path(folder) / made.name)


def movies_of(part: Path) -> list[str]:
    """Return the short names of a part's movies, in order."""
    with (part / "motion.csv").open(newline="") as table:
        return [row["movie"] for row in csv.DictReader(table)]


def rows_of(star: str) -> tuple[str, list[str]]:
    """Return a RELION STAR file's text up to the rows of its table of micrographs, and the rows."""
    lines = star.splitlines()
    begin = next(at for at, line in enumerate(lines) if line.startswith("data_micrographs"))
    labels = [at for at in range(begin, len(lines)) if lines[at].startswith("_rln")]
    head = lines[: labels[-1] + 1]
    return "\n".join(head), [line for line in lines[labels[-1] + 1 :] if line.strip()]


def join_stars(parts: list[Path]) -> None:
    """The table of micrographs has the rows of all parts."""
    texts = [rows_of((part / MICROGRAPHS).read_text()) for part in parts]
    rows = [row for _, some in texts for row in some]
    with whole(Path(MICROGRAPHS)) as made:
        made.write_text(texts[0][0] + "\n" + "".join(f"{row}\n" for row in rows) + " \n")


def main() -> None:
    """Merge the parts of the command line."""
    parser = Parser(prog="merge_alignment")
    parser.add_argument("--parts", type=Path, nargs="+", required=True)
    parser.add_argument("--pixel-size", type=float, required=True)
    parser.add_argument("--dose-per-frame", type=float, required=True)
    given = parser.parse_args()
    for number, part in enumerate(given.parts, start=1):
        take(part)
        progress(number, len(given.parts), f"merged part {number}")
    names = [name for part in given.parts for name in movies_of(part)]
    drifts = [read_drift(Path(f"motion/{name}_motion.star"), name, given.pixel_size) for name in names]
    write_overview(drifts, given.pixel_size, given.dose_per_frame)
    write_summary(drifts, given.dose_per_frame)
    join_stars(given.parts)
    with whole(Path("relion.log")) as log, log.open("w") as out:
        for part in given.parts:
            out.write((part / "relion.log").read_text(errors="replace"))


if __name__ == "__main__":
    run_tool(main)
