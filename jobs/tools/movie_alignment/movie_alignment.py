"""Align the frames of movies, globally and by patches, with RELION's own motion correction.

Runs `relion_run_motioncorr --use_own` over all movies and follows it: after each movie the charts, the table and the
pictures are written again. Inputs are checked before anything heavy starts; a mistake ends with status 2 and one line.
"""

import argparse
import shutil
import time
from pathlib import Path

import numpy as np
from alignment_before import SPECTRUM_SIDE, Before, before_alignment, check_orientation
from alignment_inputs import Movie, check_frames, check_gain, check_movies, parse
from alignment_motion import Drift, read_drift, write_overview, write_summary
from PIL import Image
from toolkit import ToolError, mpi, progress, run_program, run_tool, share, whole
from toolkit_images import EER_ENDS, Array, fit, read_image, save_png, sheet, to_grey, write_image

WORK = Path("work")
PREVIEW_SIDE = 420

OVERVIEW_EVERY = 3.0
"""Seconds after which the charts of a running alignment are drawn again when there is more to show."""


class Alignment:
    """One run of the tool: which movies are done, and what was read of each."""

    def __init__(self, given: argparse.Namespace, movies: list[Movie]) -> None:
        self.given = given
        self.movies = movies
        self.drifts: dict[str, Drift] = {}
        self.drawn_at = -OVERVIEW_EVERY
        self.gain = turned_gain(given) if given.gain else None

    def prepare(self) -> None:
        """Write the STAR file of the movies, each under its short name, into the work folder."""
        (WORK / "movies").mkdir(parents=True)
        for movie in self.movies:
            (WORK / self.link(movie)).symlink_to(movie.picture.path.resolve())
        rows = "".join(f"{self.link(movie)} 1\n" for movie in self.movies)
        (WORK / "movies.star").write_text(
            "data_optics\n\nloop_\n_rlnOpticsGroupName #1\n_rlnOpticsGroup #2\n_rlnMicrographOriginalPixelSize #3\n"
            "_rlnVoltage #4\n_rlnSphericalAberration #5\n_rlnAmplitudeContrast #6\n"
            f"opticsGroup1 1 {self.given.pixel_size:.6f} {self.given.voltage:.3f} 2.7 0.1\n\n\n"
            f"data_movies\n\nloop_\n_rlnMicrographMovieName #1\n_rlnOpticsGroup #2\n{rows}\n"
        )

    @staticmethod
    def link(movie: Movie) -> str:
        """Return the movie's name in the work folder."""
        return f"movies/{movie.name}{movie.picture.path.suffix}"

    def command(self) -> list[str]:
        """Return RELION's command line, to be run in the work folder."""
        given = self.given
        parallel = given.nr_mpi > 1
        argv = [*mpi(given.nr_mpi), "relion_run_motioncorr_mpi" if parallel else "relion_run_motioncorr"]
        argv += ["--i", "movies.star", "--o", "out/", "--use_own", "--j", str(max(1, given.threads // given.nr_mpi))]
        argv += ["--dose_per_frame", f"{given.dose_per_frame:g}", "--preexposure", f"{given.pre_exposure:g}"]
        argv += [
            "--patch_x",
            str(given.patches_x),
            "--patch_y",
            str(given.patches_y),
            "--bfactor",
            f"{given.bfactor:g}",
        ]
        argv += ["--bin_factor", f"{given.binning:g}", "--grouping_for_ps", str(self.spectrum_group())]
        argv += ["--ps_size", str(self.spectrum_side())]
        argv += ["--first_frame_sum", str(given.first_frame), "--last_frame_sum", str(given.last_frame)]
        if given.dose_weighting:
            argv += ["--dose_weighting", "--save_noDW"]
        if given.gain:
            argv += ["--gainref", str(given.gain.resolve())]
            argv += ["--gain_rot", str(given.gain_rotation), "--gain_flip", str(given.gain_flip)]
        if any(movie.picture.path.suffix.lower() in EER_ENDS for movie in self.movies):
            argv += ["--eer_grouping", str(given.eer_grouping)]
        return argv

    def spectrum_group(self) -> int:
        """Return how many frames make about 4 e/Å², which is what a power spectrum is summed over."""
        return max(1, round(4.0 / self.given.dose_per_frame))

    def spectrum_side(self) -> int:
        """Return the side of the power spectra: even, and no larger than the binned average, which RELION refuses."""
        picture = self.movies[0].picture
        return min(SPECTRUM_SIDE, int(min(picture.width, picture.height) / self.given.binning) // 2 * 2)

    def follow(self) -> None:
        """Every movie that RELION has finished since the last look has its results, and the charts show it soon."""
        fresh = [movie for movie in self.movies if movie.name not in self.drifts and self.is_done(movie)]
        for movie in fresh:
            self.publish(movie)
            self.drifts[movie.name] = read_drift(made(movie, ".star"), movie.name, self.given.pixel_size)
            progress(len(self.drifts), len(self.movies), f"aligned {movie.name}")
        if fresh and time.monotonic() - self.drawn_at >= OVERVIEW_EVERY:
            self.write_overview()
            self.drawn_at = time.monotonic()

    @staticmethod
    def is_done(movie: Movie) -> bool:
        """Return whether RELION has written all of a movie's files: the plot of the shifts is the last one."""
        return made(movie, "_shifts.eps").is_file() and made(movie, ".star").is_file()

    def publish(self, movie: Movie) -> None:
        """The movie's averages, spectra, motion file and picture stand under their final names."""
        before = self.before(movie)
        name, pixel = movie.name, self.given.pixel_size
        write_image(Path(f"before/{name}_before.mrc"), before.average, pixel)
        write_image(Path(f"power/{name}_power_before.mrc"), before.spectrum, 1.0)
        sharp = made(movie, "_noDW.mrc" if self.given.dose_weighting else ".mrc")
        after, power = read_image(sharp), read_image(made(movie, "_PS.mrc"))
        pictures = [
            ("before", small(before.average)),
            ("aligned", small(after)),
            ("power spectrum before", small(np.sqrt(before.spectrum), high=99.8)),
            ("power spectrum aligned", small(np.sqrt(np.abs(power)), high=99.8)),
        ]
        save_png(Path(f"previews/{name}.png"), sheet(pictures, 2))
        # RELION lists in the end only those movies whose averages are still where it wrote them.
        share(made(movie, "_PS.mrc"), Path(f"power/{name}_power_aligned.mrc"))
        if self.given.dose_weighting:
            share(made(movie, "_noDW.mrc"), Path(f"aligned/{name}_aligned_noDW.mrc"))
        share(made(movie, ".mrc"), Path(f"aligned/{name}_aligned.mrc"))
        with whole(Path(f"motion/{name}_motion.star")) as part:
            part.write_text(self.with_final_names(made(movie, ".star").read_text(), movie))

    def with_final_names(self, text: str, movie: Movie) -> str:
        """Return RELION's text with the names of this folder's results instead of those of the work folder."""
        stem = f"out/movies/{movie.name}"
        power, sharp = f"power/{movie.name}_power_aligned.mrc", f"aligned/{movie.name}_aligned_noDW.mrc"
        for old, new in (
            (f"{stem}_noDW.mrc", sharp),
            (f"{stem}_PS.mrc", power),
            (f"{stem}.mrc", f"aligned/{movie.name}_aligned.mrc"),
            (f"{stem}.star", f"motion/{movie.name}_motion.star"),
            (self.link(movie), movie.picture.path.name),
        ):
            text = text.replace(old, new)
        return text.replace(str(self.given.gain.resolve()), self.given.gain.name) if self.given.gain else text

    def before(self, movie: Movie) -> Before:
        """Return what the movie shows unaligned; the first movie tells whether the gain fits as it lies."""
        raw = self.given.eer_grouping if movie.picture.path.suffix.lower() in EER_ENDS else 1
        last = self.given.last_frame * raw if self.given.last_frame > 0 else movie.picture.frames
        first, group = (self.given.first_frame - 1) * raw + 1, self.spectrum_group() * raw
        found = before_alignment(movie.picture.path, first=first, last=last, group=group, gain=self.gain)
        if movie is self.movies[0] and self.gain is not None and raw == 1:
            check_orientation(movie, found.counts, self.gain)
        return found

    def write_overview(self) -> None:
        """The charts and the table show all movies that are done."""
        done = [self.drifts[movie.name] for movie in self.movies if movie.name in self.drifts]
        write_overview(done, self.given.pixel_size, self.given.dose_per_frame)

    def finish(self) -> None:
        """Every movie has its results, and tables, charts and the summary stand; a ToolError when one has none."""
        missing = [movie.name for movie in self.movies if movie.name not in self.drifts]
        if missing:
            raise ToolError(
                "alignment-failed",
                f"RELION aligned {len(self.drifts)} of {len(self.movies)} movies; not {', '.join(missing[:5])}.",
                hint="Look at relion.log; leave these movies out, or use fewer patches.",
                about="movies",
            )
        text = (WORK / "out/corrected_micrographs.star").read_text()
        for movie in self.movies:
            text = self.with_final_names(text, movie)
        with whole(Path("corrected_micrographs.star")) as part:
            part.write_text(text)
        self.write_overview()
        write_summary([self.drifts[movie.name] for movie in self.movies], self.given.dose_per_frame)


def made(movie: Movie, ending: str) -> Path:
    """Return where RELION writes a file of a movie."""
    return WORK / "out/movies" / f"{movie.name}{ending}"


def turned_gain(given: argparse.Namespace) -> Array:
    """Return the gain turned and flipped as RELION does it: clockwise as displayed (row 0 on top), then flipped."""
    gain = read_image(given.gain)
    gain = np.rot90(gain, -given.gain_rotation)
    if given.gain_flip == 1:
        gain = np.flipud(gain)
    elif given.gain_flip == 2:
        gain = np.fliplr(gain)
    return gain


def small(image: Array, *, high: float = 99.0) -> Image.Image:
    """Return the image as a picture of the preview's size."""
    return fit(to_grey(image, PREVIEW_SIDE, high=high), PREVIEW_SIDE)


def main() -> None:
    """Check, align and describe the movies of the command line."""
    given = parse()
    movies = check_movies(given.movies)
    check_frames(movies, given)
    check_gain(given.gain, movies, given)
    shutil.rmtree(WORK, ignore_errors=True)
    alignment = Alignment(given, movies)
    alignment.prepare()
    progress(0, len(movies), "aligning")
    run_program(alignment.command(), log=Path("relion.log"), cwd=WORK, follow=alignment.follow)
    alignment.finish()
    shutil.rmtree(WORK)


if __name__ == "__main__":
    run_tool(main)
