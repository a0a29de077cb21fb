"""One 2-D image on disk: NIfTI, MetaImage or PNG, upright, with its spacing."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from skimage.io import imread
from skimage.transform import resize

from echobench.data.base.errors import EchobenchError


@dataclass(frozen=True, eq=False)
class MedicalImage:
    """pixels: (H, W), apex at the top; spacing_mm: millimetres per pixel along (rows, columns)."""

    pixels: NDArray[np.generic]
    spacing_mm: tuple[float, float]


def read_image(path: Path) -> MedicalImage:
    """Read a 2-D image, or a 3-D one of a single slice, turned as its header says; a pixel of a PNG is 1 mm.

    Raises EchobenchError for a file that is missing, truncated, or not a single 2-D frame.
    """
    if path.suffix.lower() == ".png" and path.is_file():
        return MedicalImage(_read_png(path), (1.0, 1.0))
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = "it is truncated or not an image" if path.is_file() else "there is no such file"
        raise EchobenchError(f"{path} cannot be read: {reason}") from error
    _check_complete(path, image)
    if image.GetDimension() == 3 and image.GetSize()[2] == 1:
        image = image[:, :, 0]
    if image.GetDimension() != 2 or image.GetNumberOfComponentsPerPixel() != 1:
        raise EchobenchError(f"{path} is not a single grey 2-D frame: its size is {image.GetSize()}")
    image = _upright(image)
    column_mm, row_mm = image.GetSpacing()
    return MedicalImage(sitk.GetArrayFromImage(image), (row_mm, column_mm))


def _read_png(path: Path) -> NDArray[np.generic]:
    try:
        pixels = imread(path)
    except Exception as error:  # whatever the damaged bytes lead to
        raise EchobenchError(f"{path} cannot be read: it is truncated or not an image") from error
    if pixels.ndim != 2:
        raise EchobenchError(f"{path} is not a single grey image: its shape is {pixels.shape}")
    return pixels


def write_image(path: Path, pixels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> None:
    """Write (H, W) uint8 with its (row, column) spacing as compressed NIfTI.

    Raises EchobenchError where it is not whole afterwards: ITK says nothing of a full disk.
    """
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing((float(spacing_mm[1]), float(spacing_mm[0])))
    sitk.WriteImage(image, str(path), useCompression=True)
    try:
        _check_complete(path, image)
    except EchobenchError as error:
        raise EchobenchError(f"{path} could not be written whole: is the disk full?") from error


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


def _check_complete(path: Path, image: sitk.Image) -> None:
    """ITK fills what a truncated file lacks with zeros and says nothing; count the bytes ourselves."""
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                present = len(stream.read())
        else:
            present = _payload(path).stat().st_size
    except (EOFError, OSError, zlib.error) as error:
        raise EchobenchError(f"{path} cannot be read: it is truncated or damaged") from error
    needed = image.GetNumberOfPixels() * image.GetSizeOfPixelComponent() * image.GetNumberOfComponentsPerPixel()
    if present < needed and not _compressed(path):
        raise EchobenchError(f"{path} is truncated: {present} bytes of pixels where {needed} are needed")


def _header(path: Path) -> dict[str, str]:
    """The keys of a MetaImage header; nothing for other formats."""
    if path.suffix != ".mhd":
        return {}
    pairs = (line.partition("=") for line in path.read_text(errors="replace").splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _payload(path: Path) -> Path:
    """The file that holds the pixels: a MetaImage header names it, every other format is one file."""
    return path.parent / _header(path).get("ElementDataFile", path.name)


def _compressed(path: Path) -> bool:
    return _header(path).get("CompressedData", "False").lower() == "true"


def _upright(image: sitk.Image) -> sitk.Image:
    """Undo the axis permutation and the flips that the header's direction states."""
    if abs(image.GetDirection()[0]) < 0.5:
        image = sitk.PermuteAxes(image, (1, 0))
    direction = image.GetDirection()
    return sitk.Flip(image, (direction[0] < 0, direction[3] < 0))
