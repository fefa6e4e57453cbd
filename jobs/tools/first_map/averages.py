"""Class averages read from a stack or a STAR file, checked, made coarse enough and normalised for RELION."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import starfile
from numpy.typing import NDArray
from toolkit import ToolError, above_zero
from toolkit_images import Picture, inspect

Array = NDArray[np.floating]

NAME_COLUMNS = ("rlnReferenceImage", "rlnImageName")
FEWEST = 5


@dataclass(frozen=True, kw_only=True)
class Averages:
    """Square images (count, side, side) and their pixel size in Å."""

    images: Array
    pixel_size: float


def read_averages(path: Path, stack: Path | None, pixel_size: float | None) -> Averages:
    """Return the averages that a stack holds or a STAR file names; empty ones are left out."""
    if path.suffix.lower() == ".star":
        images, known = _read_star(path, stack)
    else:
        picture = inspect(path, "averages")
        check_square(picture)
        images, known = _read_stack(path), picture.pixel_size
    size = pixel_size if pixel_size is not None else known
    # Programs that do not know the pixel size write 1.
    if size is None or (pixel_size is None and abs(size - 1) < 1e-6):
        raise ToolError(
            "no-pixel-size",
            f"{path.name} does not say its pixel size.",
            hint="Give the pixel size of the averages in Å.",
            about="pixel_size",
        )
    above_zero(size, "pixel_size", "the pixel size")
    if not np.isfinite(images).all():
        raise ToolError("not-finite", f"{path.name} holds values that are no numbers.", about="averages")
    full = images[images.std(axis=(1, 2)) > 0]
    if len(full) < FEWEST:
        raise ToolError(
            "too-few-averages",
            f"{path.name} has {len(full)} averages that are not empty; a map needs at least {FEWEST}.",
            hint="Give class averages of many different views.",
            about="averages",
        )
    return Averages(images=full, pixel_size=size)


def check_square(picture: Picture) -> None:
    """Raise a ToolError unless the images are square with an even side."""
    if picture.width != picture.height or picture.width % 2 or picture.width < 16:
        raise ToolError(
            "wrong-dimensions",
            f"The images in {picture.path.name} are {picture.size} pixels.",
            hint="Averages must be square, with an even side of at least 16 pixels.",
            about="averages",
        )


def _read_stack(path: Path) -> Array:
    with mrcfile.open(path, permissive=True) as mrc:
        data = np.array(mrc.data, dtype=np.float32)
    return data.reshape(-1, *data.shape[-2:])


def _read_star(path: Path, stack: Path | None) -> tuple[Array, float | None]:
    """Return the images and the pixel size that a STAR file of averages (model or particles) names."""
    if not path.is_file():
        raise ToolError("missing-file", f"{path.name} is not there.", hint="Was it moved?", about="averages")
    try:
        tables = starfile.read(path, always_dict=True)
    except (ValueError, IndexError, KeyError, OSError, UnicodeDecodeError) as error:
        raise ToolError(
            "broken-file", f"{path.name} cannot be read as STAR ({error}).", about="averages", hint="Upload it again."
        ) from None
    names = [name for table in tables.values() for name in _image_names(table)]
    if not names:
        raise ToolError(
            "missing-column",
            f"{path.name} has none of the columns _{' or _'.join(NAME_COLUMNS)}.",
            hint="Give the STAR file of the class averages (run_it025_model.star) or the .mrcs stack itself.",
            about="averages",
        )
    found: list[Array] = []
    header_size: float | None = None
    files: dict[Path, Array] = {}
    for name in names:
        number, _, written = name.rpartition("@")
        file = find_stack(written, path, stack)
        if file not in files:
            picture = inspect(file, "averages")
            check_square(picture)
            header_size = picture.pixel_size
            files[file] = _read_stack(file)
        found.append(_pick(files[file], number, name, path))
    if len({image.shape for image in found}) > 1:
        raise ToolError("wrong-dimensions", f"{path.name} names images of unlike size.", about="averages")
    return np.stack(found), star_pixel_size(tables) or header_size


def _pick(images: Array, number: str, name: str, path: Path) -> Array:
    if not number:
        return images[0]
    if not number.isdigit() or not 1 <= int(number) <= len(images):
        raise ToolError(
            "missing-image", f"{path.name} names {name}, but that stack has {len(images)} images.", about="averages"
        )
    image: Array = images[int(number) - 1]
    return image


def _image_names(table: Any) -> list[str]:
    for column in NAME_COLUMNS:
        if column in table:
            value = table[column]
            return [value] if isinstance(value, str) else [str(name) for name in value]
    return []


def find_stack(written: str, star: Path, stack: Path | None) -> Path:
    """Return the stack that a STAR file names: the one given, or one beside the STAR file or in a folder above it."""
    if stack is not None and (stack.name == Path(written).name or not Path(written).suffix):
        return stack
    places = [folder / written for folder in star.resolve().parents] + [star.resolve().parent / Path(written).name]
    for place in places:
        if place.is_file():
            return place
    raise ToolError(
        "missing-stack",
        f"{star.name} names the stack {written}, which is not there.",
        hint=f"Choose {Path(written).name} as the image stack too, or give the .mrcs file instead of the STAR file.",
        about="stack",
    )


def star_pixel_size(tables: dict[str, Any]) -> float | None:
    """Return the pixel size a STAR file states (Å), or None."""
    for table in tables.values():
        for column in ("rlnImagePixelSize", "rlnPixelSize"):
            if column in table:
                value = table[column]
                return float(value) if np.isscalar(value) else float(value.iloc[0])
    return None


def coarser(averages: Averages, wanted_pixel: float) -> Averages:
    """Return the averages at about the wanted pixel size when they are much finer: cropped in Fourier space."""
    side = averages.images.shape[1]
    new = round(side * averages.pixel_size / wanted_pixel / 2) * 2
    if new < 24 or new > 0.8 * side:
        return averages
    spectra = np.fft.fftshift(np.fft.fft2(averages.images), axes=(1, 2))
    low = side // 2 - new // 2
    cut = np.fft.ifftshift(spectra[:, low : low + new, low : low + new], axes=(1, 2))
    images = np.real(np.fft.ifft2(cut)).astype(np.float32) * (new / side) ** 2
    return Averages(images=images, pixel_size=averages.pixel_size * side / new)


def normalised(averages: Averages, diameter: float) -> Array:
    """Return the images with mean 0 and deviation 1 outside the particle, as RELION wants them.

    Averages with an empty background (it was masked to zero) are scaled by the whole image's deviation instead.
    """
    side = averages.images.shape[1]
    y, x = np.mgrid[:side, :side] - side // 2
    outside = np.hypot(x, y) > diameter / 2 / averages.pixel_size
    if outside.sum() < 0.05 * side * side:
        outside = np.hypot(x, y) > side / 2
    ground = averages.images[:, outside]
    spread, own = ground.std(axis=1), averages.images.std(axis=(1, 2))
    scale = np.where(spread > 0.02 * own, spread, own)
    result: Array = (averages.images - ground.mean(axis=1)[:, None, None]) / scale[:, None, None]
    return result.astype(np.float32)
