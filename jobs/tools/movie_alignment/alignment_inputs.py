"""The movies, the gain reference and the parameters of an alignment, checked before any heavy work."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from toolkit import Parser, ToolError, above_zero, require
from toolkit_images import EER_ENDS, Picture, inspect


@dataclass(frozen=True, kw_only=True)
class Movie:
    """A movie under the short name that its results carry."""

    name: str
    picture: Picture


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the parameters of the command line, each within its range."""
    parser = Parser(prog="movie_alignment")
    parser.add_argument("--movies", type=Path, nargs="*", default=[])
    parser.add_argument("--gain", type=Path)
    for name, kind, default in (
        ("pixel-size", float, None),
        ("voltage", float, 300.0),
        ("dose-per-frame", float, None),
        ("pre-exposure", float, 0.0),
        ("patches-x", int, 3),
        ("patches-y", int, 3),
        ("bfactor", float, 150.0),
        ("binning", float, 1.0),
        ("first-frame", int, 1),
        ("last-frame", int, -1),
        ("gain-rotation", int, 0),
        ("gain-flip", int, 0),
        ("eer-grouping", int, 40),
        ("nr-mpi", int, 1),
        ("threads", int, 1),
    ):
        parser.add_argument(f"--{name}", type=kind, default=default, required=default is None)
    parser.add_argument("--dose-weighting", action="store_true")
    given = parser.parse_args(argv)
    check_ranges(given)
    return given


def check_ranges(given: argparse.Namespace) -> None:
    """Raise a ToolError for the first parameter that makes no sense."""
    above_zero(given.pixel_size, "pixel_size", "the pixel size")
    above_zero(given.voltage, "voltage", "the voltage")
    require(
        0 < given.dose_per_frame < 1000,
        "dose_per_frame",
        f"the dose per frame is {given.dose_per_frame:g} e/Å².",
        "Give the dose of one frame, above zero.",
    )
    require(given.pre_exposure >= 0, "pre_exposure", "the pre-exposure is negative.", "Give 0 or more e/Å².")
    for name in ("patches_x", "patches_y"):
        require(1 <= getattr(given, name) <= 20, name, "the number of patches is out of range.", "Give 1 to 20.")
    require(given.bfactor >= 0, "bfactor", "the B-factor is negative.", "Give 0 or more Å².")
    require(1 <= given.binning <= 16, "binning", f"binning is {given.binning:g}.", "Give 1 (none) to 16.")
    require(given.first_frame >= 1, "first_frame", "frames are counted from 1.", "Give 1 or more.")
    require(given.gain_rotation in range(4), "gain_rotation", "the gain's turn is unknown.", "Give 0, 1, 2 or 3.")
    require(given.gain_flip in range(3), "gain_flip", "the gain's flip is unknown.", "Give 0, 1 or 2.")
    require(given.nr_mpi >= 1 and given.threads >= 1, "nr_mpi", "there must be a process.", "Give 1 or more.")


def check_movies(paths: list[Path]) -> list[Movie]:
    """Return the movies, all readable, whole and of one size; raise a ToolError that names the odd one."""
    if not paths:
        raise ToolError("no-movies", "There is no movie to align.", hint="Choose movies or a pattern.", about="movies")
    movies: list[Movie] = []
    taken: set[str] = set()
    for path in paths:
        picture = inspect(path, "movies")
        if picture.frames < 2:
            raise ToolError(
                "single-frame",
                f"{path.name} has one frame; alignment needs a movie of at least two.",
                hint="Choose the movies, not the sums or a gain reference.",
                about="movies",
            )
        name = path.stem.replace(" ", "_")
        while name in taken:
            name += "_2"
        taken.add(name)
        movies.append(Movie(name=name, picture=picture))
    first = movies[0].picture
    for movie in movies:
        if (movie.picture.height, movie.picture.width) != (first.height, first.width):
            raise ToolError(
                "wrong-dimensions",
                f"{movie.picture.path.name} is {movie.picture.size} pixels, {first.path.name} is {first.size}.",
                hint="Align movies of different size in separate jobs.",
                about="movies",
            )
    return movies


def check_frames(movies: list[Movie], given: argparse.Namespace) -> None:
    """Raise a ToolError when the chosen range of frames is not in every movie, or patches are too small to align."""
    for movie in movies:
        frames = movie.picture.frames
        if movie.picture.path.suffix.lower() in EER_ENDS:
            frames //= given.eer_grouping
        last = frames if given.last_frame <= 0 else given.last_frame
        require(
            last <= frames and last - given.first_frame >= 1,
            "last_frame" if last > frames else "first_frame",
            f"{movie.picture.path.name} has {frames} frames; frames {given.first_frame} to {last} were asked for.",
            "Choose at least two frames that every movie has.",
        )
    first = movies[0].picture
    for about, side, count in (
        ("patches_x", first.width, given.patches_x),
        ("patches_y", first.height, given.patches_y),
    ):
        require(
            count == 1 or side / count >= 64,
            about,
            f"{count} patches of {side} pixels are {side // count} pixels each, too small to align.",
            "Use fewer patches.",
        )


def check_gain(path: Path | None, movies: list[Movie], given: argparse.Namespace) -> Picture | None:
    """Return the gain reference's header when its size, turned as asked, is that of the movies."""
    if path is None:
        return None
    if path.suffix.lower() == ".gain":
        raise ToolError(
            "unknown-format", f"{path.name} is an EER gain.", hint="Convert it to MRC or TIFF first.", about="gain"
        )
    gain = inspect(path, "gain")
    movie = movies[0].picture
    turned = (gain.width, gain.height) if given.gain_rotation % 2 else (gain.height, gain.width)
    if gain.frames != 1 or turned != (movie.height, movie.width):
        many = f" with {gain.frames} images" if gain.frames > 1 else ""
        raise ToolError(
            "gain-size",
            f"The gain reference {path.name} is {gain.size} pixels{many}, the movies are {movie.size}.",
            hint="Choose the gain reference of this camera mode, or turn it (gain rotation).",
            about="gain",
        )
    return gain
