"""One 2-D image on disk: NIfTI, MetaImage or PNG, upright, with its spacing."""

import gzip
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image
from skimage.io import imread
from skimage.transform import resize

from echobench.data.base.errors import TOO_LARGE, EchobenchError, is_short_of_memory
from echobench.data.base.files import writing_whole
from echobench.data.datasets.image_header import (
    MAX_PIXELS,
    META,
    NIFTI,
    UNITS_BYTE,
    Header,
    checked_header,
    ending,
    require_file,
)

sitk.ProcessObject.SetGlobalWarningDisplay(False)  # what matters of a header, we say ourselves

PICTURES = (".png", ".jpg", ".jpeg")
_ALIKE = 1e-3  # of the spacing, and of a direction's cosines: headers are in single precision
_ITK_PREFIX = re.compile(r"^.*?ITK ERROR: (?:\w+\(0x[0-9a-f]+\): )?", re.DOTALL)


@dataclass(frozen=True, eq=False)
class MedicalImage:
    """pixels: (H, W), apex at the top; spacing_mm: millimetres per pixel along (rows, columns), NaN where the file
    states none; direction: cosines of the axes as the file has them, before they were turned, row by row, None where
    it states none.
    """

    pixels: NDArray[np.generic]
    spacing_mm: tuple[float, float]
    direction: tuple[float, ...] | None = None


def read_image(path: Path, inside: Path | None = None) -> MedicalImage:
    """Read a 2-D image, or one of more axes and a single slice, turned as its header says; PNG and JPEG state no
    spacing.

    inside: the folder in which a MetaImage header may name its file of pixels; None for that of the image.
    Raises EchobenchError for a file that is missing, truncated, or not a single 2-D frame.
    """
    if ending(path) in PICTURES:
        return MedicalImage(_read_picture(path), (float("nan"), float("nan")))
    if ending(path) not in (*NIFTI, *META):
        require_file(path)
        raise EchobenchError(f"{path} is of no known format; known: {', '.join((*NIFTI, *META, *PICTURES))}")
    header = checked_header(path, inside or path.parent)
    try:
        with _alone(path, header) as readable:
            image = _single_slice(path, sitk.ReadImage(str(readable)))
        direction = image.GetDirection()
        image = _upright(image)
    except RuntimeError as error:
        if is_short_of_memory(error):
            raise EchobenchError(TOO_LARGE.format(path=path)) from error
        raise EchobenchError(f"{path} cannot be read: {_reason(error)}") from error
    column_mm, row_mm = image.GetSpacing() if header.spacing_stated else (float("nan"), float("nan"))
    return MedicalImage(sitk.GetArrayFromImage(image), (row_mm, column_mm), direction)


def require_same_geometry(path: Path, image: MedicalImage, other: Path, labels: MedicalImage) -> None:
    """Raises EchobenchError where the headers of an image and its label map state another direction or spacing.

    What one of them does not state is not compared.
    """
    if image.direction and labels.direction and not np.allclose(image.direction, labels.direction, atol=_ALIKE):
        raise EchobenchError(
            f"{path} and {other} are turned against each other: their headers state the directions "
            f"{_listed(image.direction)} and {_listed(labels.direction)}; write both with the same one"
        )
    stated = np.isfinite(image.spacing_mm).all() and np.isfinite(labels.spacing_mm).all()
    if stated and not np.allclose(image.spacing_mm, labels.spacing_mm, rtol=_ALIKE, atol=0):
        raise EchobenchError(
            f"{path} and {other} state the spacings {_listed(image.spacing_mm)} and {_listed(labels.spacing_mm)} mm; "
            "they must be alike"
        )


def shown(value: float) -> str:
    """A number short, but never as another one: 1.0000001 is not shown as 1."""
    short = f"{value:g}"
    return short if float(short) == value or value != value else repr(float(value))


def _listed(numbers: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{number:.4g}" for number in numbers) + ")"


def _single_slice(path: Path, image: sitk.Image) -> sitk.Image:
    size = image.GetSize()
    while image.GetDimension() > 2 and image.GetSize()[-1] == 1:
        image = image[(slice(None),) * (image.GetDimension() - 1) + (0,)]
    if image.GetDimension() != 2 or image.GetNumberOfComponentsPerPixel() != 1:
        what = "has several values per pixel" if image.GetNumberOfComponentsPerPixel() != 1 else f"its size is {size}"
        raise EchobenchError(f"{path} is not a single grey 2-D frame: {what}")
    return image


@contextmanager
def _alone(path: Path, header: Header) -> Iterator[Path]:
    """The path, or that of a copy: ITK takes the pixels of x.nii for those of x.nii.gz where both are there."""
    neighbours = (path.with_name(path.name[: -len(ending(path))] + suffix) for suffix in (".nii", ".hdr", ".img"))
    alone = header.payload != path or not any(other != path and other.exists() for other in neighbours)
    if alone and path.name.endswith(ending(path)):
        yield path
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / f"image{ending(path)}"
        shutil.copyfile(path, copy)
        if header.payload != path:
            shutil.copyfile(header.payload, Path(scratch) / header.payload.name)
        yield copy


def _reason(error: RuntimeError) -> str:
    """What ITK says, as one line, without its addresses and its own source files."""
    said = _ITK_PREFIX.sub("", str(error), count=1)
    return " ".join(said.split()).rstrip(".!") or "it is damaged"


def _read_picture(path: Path) -> NDArray[np.generic]:
    require_file(path)
    try:
        with Image.open(path) as picture:
            (width, height), mode = picture.size, picture.mode
        if width * height > MAX_PIXELS:
            raise EchobenchError(f"{path} claims {height}×{width} pixels; at most {MAX_PIXELS} are read")
        pixels = imread(path) if mode != "P" else None
    except EchobenchError:
        raise
    except Exception as error:  # whatever the damaged bytes lead to
        if is_short_of_memory(error):
            raise EchobenchError(TOO_LARGE.format(path=path)) from error
        raise EchobenchError(f"{path} cannot be read: it is truncated or not an image") from error
    if pixels is None or pixels.ndim != 2:
        raise EchobenchError(f"{path} is not a single grey image: it has colours ({mode}); save it as grey values")
    return pixels


def write_image(path: Path, pixels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> None:
    """Write (H, W) uint8 with its (row, column) spacing as compressed NIfTI; NaN for one that is unknown.

    A .png states none. Raises EchobenchError where it is not whole afterwards: ITK says nothing of a full disk.
    """
    if ending(path) == ".png":
        with writing_whole(path) as stream:
            Image.fromarray(pixels).save(stream, format="png")
        return
    image = sitk.GetImageFromArray(pixels)
    known = bool(np.isfinite(spacing_mm).all())
    if known:
        image.SetSpacing((float(spacing_mm[1]), float(spacing_mm[0])))
    sitk.WriteImage(image, str(path), useCompression=True)
    try:
        if not known:
            _forget_units(path)
        checked_header(path, path.parent)
    except (EchobenchError, EOFError, zlib.error) as error:
        raise EchobenchError(f"{path} could not be written whole: is the disk full?") from error


def _forget_units(path: Path) -> None:
    """Let a compressed NIfTI file say of its spacing, which is 1 × 1, that the unit is unknown: ITK always says mm."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[UNITS_BYTE] = 0
    with writing_whole(path) as stream:
        stream.write(gzip.compress(content, mtime=0))


def resize_image(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Antialiased bilinear resampling of grey values to (H, W).

    Departs from the paper [data.resizing]: of the pixels that are skipped, speckle is made anew.
    """
    if pixels.shape == size:
        return pixels
    resized = resize(pixels, size, order=1, anti_aliasing=True, preserve_range=True)
    return np.rint(resized).clip(0, 255).astype(np.uint8)


def resize_labels(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Nearest-neighbour resampling of a label map to (H, W)."""
    if labels.shape == size:
        return labels
    return resize(labels, size, order=0, anti_aliasing=False, preserve_range=True).astype(np.uint8)


def _upright(image: sitk.Image) -> sitk.Image:
    """Undo the axis permutation and the flips that the header's direction states."""
    if abs(image.GetDirection()[0]) < 0.5:
        image = sitk.PermuteAxes(image, (1, 0))
    direction = image.GetDirection()
    return sitk.Flip(image, (direction[0] < 0, direction[3] < 0))
