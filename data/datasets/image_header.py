"""What the header of an image file claims, looked at before ITK is: ITK believes it, takes the memory and waits.

NIfTI-1: https://nifti.nimh.nih.gov/nifti-1; MetaImage: https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

import gzip
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from echobench.data.base.errors import EchobenchError

MAX_PIXELS = 2**26
"""Pixels of the largest image that is read, 8192×8192; no echocardiogram comes near it."""
NIFTI = (".nii", ".nii.gz")
META = (".mhd", ".mha")

UNITS_BYTE = 123
"""Of a NIfTI-1 header: the units of its spacing, 0 for unknown ones."""
_SPATIAL_UNIT = 0b111
_SFORM_CODE, _SFORM_ROWS = 254, (280, 296, 312)
_ALIKE = 0.01  # of a spacing: headers are in single precision, and some programs round
_CHUNK = 2**20
_MOST_HEADER = 2**16  # bytes of a MetaImage header
_NIFTI_BYTES, _NIFTI_UNCHECKED_BYTES = 348, 352
_META_BYTES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4,
    "MET_LONG": 4, "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """size: pixels along each axis. spacing_stated: whether the file says how large a pixel is. payload: the file that
    holds the pixels, the image itself or one beside it."""

    size: tuple[int, ...]
    spacing_stated: bool
    payload: Path


def ending(path: Path) -> str:
    """The file name's ending in small letters, `.nii.gz` as one."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def require_file(path: Path) -> None:
    """Raises EchobenchError unless there is a file that may be read; a pipe or a device would be waited for."""
    try:
        if path.is_dir():
            raise EchobenchError(f"{path} cannot be read: it is a folder; a file is needed")
        if not path.is_file():
            what = "it is not a regular file" if path.exists() else "there is no such file"
            raise EchobenchError(f"{path} cannot be read: {what}")
        with path.open("rb"):
            pass
    except PermissionError as error:
        raise EchobenchError(f"{path} cannot be read: this user has no permission to read it") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise EchobenchError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def checked_header(path: Path, inside: Path) -> Header:
    """The header of a NIfTI or MetaImage file, all of whose pixels are there.

    inside: the folder in which a MetaImage header may name its file of pixels; that beside it is allowed too.
    Raises EchobenchError for a header that is damaged or claims too much, and for pixels that are not all there.
    """
    require_file(path)
    return _checked_nifti(path) if ending(path) in NIFTI else _checked_meta(path, inside)


def payload_of(path: Path) -> Path:
    """The file that holds the pixels of an image: the image itself, unless it is a MetaImage that names another.

    Of an image that is damaged it is the image itself too.
    """
    try:
        return _meta_payload(path, _meta_fields(path)[0]) if ending(path) in META else path
    except EchobenchError:
        return path


def _checked_nifti(path: Path) -> Header:
    try:
        with _opened(path) as stream:
            header = Nifti.of(path, stream.read(_NIFTI_UNCHECKED_BYTES))
            present = _NIFTI_UNCHECKED_BYTES + _count(stream)
    except (EOFError, zlib.error) as error:
        raise EchobenchError(f"{path} cannot be read: it is truncated or damaged") from error
    except OSError as error:
        raise EchobenchError(f"{path} cannot be read: it is damaged ({error})") from error
    _require_payload(path, present - header.offset, header.needed)
    return Header(header.size, header.spacing_stated, path)


def _opened(path: Path) -> BinaryIO:
    if ending(path) != ".nii.gz":
        return path.open("rb")
    with path.open("rb") as stream:
        first = stream.read(4)
    if first[:2] != b"\x1f\x8b":
        what = "it is empty" if not first else "it is not compressed with gzip, although its name ends with .gz"
        plain = struct.unpack("<i", first)[0] == _NIFTI_BYTES if len(first) == 4 else False
        advice = "; rename it to .nii" if plain else "; it is damaged or not an image" if first else ""
        raise EchobenchError(f"{path} cannot be read: {what}{advice}")
    return cast(BinaryIO, gzip.open(path))


def _count(stream: BinaryIO) -> int:
    """Bytes up to the end, which are not kept; the end of a gzip stream is checked on the way."""
    count = 0
    while chunk := stream.read(_CHUNK):
        count += len(chunk)
    return count


@dataclass(frozen=True)
class Nifti:
    """size: pixels along each axis. offset: bytes before the pixels. needed: bytes of pixels. spacing_stated: whether
    it says how large a pixel is; 1 × 1 of an unknown unit is what programs write that have lost it."""

    size: tuple[int, ...]
    offset: int
    needed: int
    spacing_stated: bool

    @classmethod
    def of(cls, path: Path, head: bytes) -> "Nifti":
        """From the first 352 bytes of a file; raises EchobenchError, naming the path, for what is not NIfTI-1."""
        if len(head) < _NIFTI_BYTES:
            what = "it is empty" if not head else f"it is truncated, {len(head)} bytes of a header of {_NIFTI_BYTES}"
            raise EchobenchError(f"{path} cannot be read: {what}")
        order = next((o for o in "<>" if struct.unpack_from(f"{o}i", head)[0] == _NIFTI_BYTES), None)
        if order is None or head[344:347] not in (b"n+1", b"ni1"):
            raise EchobenchError(f"{path} cannot be read: it is not an image in NIfTI-1")
        if head[344:347] == b"ni1":
            raise EchobenchError(f"{path} keeps its pixels in another file; write it as one NIfTI file")
        n_axes, *axes = struct.unpack_from(f"{order}8h", head, 40)
        if not 1 <= n_axes <= 7 or min(axes[:n_axes]) < 1:
            raise EchobenchError(f"{path} cannot be read: its header states the size {axes}, which no image has")
        size = tuple(axes[:n_axes])
        _require_sensible(path, size)
        spacing = struct.unpack_from(f"{order}2f", head, 80)
        _require_spacing(path, spacing)
        _require_one_spacing(path, spacing, head, order)
        bits = struct.unpack_from(f"{order}h", head, 72)[0]
        offset = struct.unpack_from(f"{order}f", head, 108)[0]
        if not (math.isfinite(offset) and _NIFTI_BYTES <= offset <= 2**31 and 0 < bits <= 256):
            raise EchobenchError(f"{path} cannot be read: its header is damaged")
        stated = spacing != (1.0, 1.0) or bool(head[UNITS_BYTE] & _SPATIAL_UNIT)
        return cls(size, int(offset), math.prod(size) * bits // 8, stated)


def _checked_meta(path: Path, inside: Path) -> Header:
    fields, header_bytes = _meta_fields(path)
    size = _meta_size(path, fields)
    stated = fields.get("ElementSpacing", fields.get("ElementSize"))
    if stated is not None:
        _require_spacing(path, _numbers(path, "ElementSpacing", stated)[:2])
    payload = _meta_payload(path, fields)
    if payload != path:
        _require_inside(path, payload, inside)
        try:
            require_file(payload)
        except EchobenchError as error:
            raise EchobenchError(f"{path} names a file of pixels: {error}") from error
    width = _META_BYTES.get(fields.get("ElementType", ""))
    if width is None:
        raise EchobenchError(
            f"{path} has pixels of the type {fields.get('ElementType')!r}; known: {', '.join(_META_BYTES)}"
        )
    if fields.get("BinaryData", "True").lower() != "true":
        raise EchobenchError(f"{path} has its pixels as text; write them with BinaryData = True")
    channels = _whole(path, "ElementNumberOfChannels", fields.get("ElementNumberOfChannels", "1"))
    skipped = header_bytes if payload == path else max(0, _whole(path, "HeaderSize", fields.get("HeaderSize", "0")))
    needed = math.prod(size) * width * channels
    compressed = fields.get("CompressedData", "False").lower() == "true"
    present = _inflated(path, payload, skipped, needed) if compressed else payload.stat().st_size - skipped
    _require_payload(path, present, needed)
    return Header(size, stated is not None, payload)


def _meta_fields(path: Path) -> tuple[dict[str, str], int]:
    """The keys of a MetaImage header, up to ElementDataFile, which ends it, and its length in bytes."""
    require_file(path)
    fields: dict[str, str] = {}
    read = 0
    with path.open("rb") as stream:
        while read < _MOST_HEADER and (line := stream.readline(_MOST_HEADER)):
            read += len(line)
            key, equals, value = line.decode("utf-8", errors="replace").partition("=")
            if not equals:
                break
            fields[key.strip()] = value.strip()
            if key.strip() == "ElementDataFile":
                return fields, read
    what = "it is empty" if not read else "it is not an image in MetaImage, or its header is damaged"
    raise EchobenchError(f"{path} cannot be read: {what}")


def _meta_size(path: Path, fields: Mapping[str, str]) -> tuple[int, ...]:
    if fields.get("NDims") not in ("2", "3", "4"):
        raise EchobenchError(f"{path} states NDims = {_short(fields.get('NDims', ''))}; known: 2, 3, 4")
    stated = fields.get("DimSize", "").split()
    if len(stated) != int(fields["NDims"]):
        raise EchobenchError(
            f"{path} cannot be read: DimSize is {_short(' '.join(stated))!r} for NDims = {fields['NDims']}"
        )
    size = tuple(_whole(path, "DimSize", side) for side in stated)
    if min(size) < 1:
        raise EchobenchError(f"{path} cannot be read: its header states the size {size}, which no image has")
    _require_sensible(path, size)
    return size


def _meta_payload(path: Path, fields: Mapping[str, str]) -> Path:
    named = fields["ElementDataFile"]
    if named.upper() in ("LOCAL", ""):
        return path
    if named.upper().startswith("LIST") or "%" in named:
        raise EchobenchError(f"{path} keeps its pixels in several files; write it with one ElementDataFile")
    return path.parent / named


def _require_inside(path: Path, payload: Path, inside: Path) -> None:
    """The folder counts, not what a linked file leads to: whoever laid the link chose it."""
    try:
        lies, allowed = payload.parent.resolve(), (inside.resolve(), path.parent.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise EchobenchError(f"{path} names a file of pixels that cannot be read: {error}") from error
    if payload.name in ("", "..") or not any(lies.is_relative_to(folder) for folder in allowed):
        raise EchobenchError(f"{path} names {payload} as its pixels, which lies outside of {inside}; move it there")


def _inflated(path: Path, payload: Path, skipped: int, needed: int) -> int:
    """Bytes that come out of a zlib stream, no more than are needed."""
    inflate, count = zlib.decompressobj(), 0
    try:
        with payload.open("rb") as stream:
            stream.seek(skipped)
            while count < needed and (chunk := inflate.unconsumed_tail or stream.read(_CHUNK)):
                count += len(inflate.decompress(chunk, _CHUNK))
    except zlib.error as error:
        raise EchobenchError(f"{path} cannot be read: its compressed pixels are truncated or damaged") from error
    return count


def _require_sensible(path: Path, size: tuple[int, ...]) -> None:
    if math.prod(size) > MAX_PIXELS:
        raise EchobenchError(
            f"{path} claims {'×'.join(str(side)[:20] for side in size)} pixels; at most {MAX_PIXELS} are read: "
            "its header is damaged, or it is no single frame"
        )


def _require_spacing(path: Path, spacing: tuple[float, ...]) -> None:
    if not all(math.isfinite(mm) and mm > 0 for mm in spacing):
        stated = " × ".join(f"{mm:g}" for mm in spacing)
        raise EchobenchError(f"{path} states a spacing of {stated} mm; it must be positive")


def _require_one_spacing(path: Path, spacing: tuple[float, ...], head: bytes, order: str) -> None:
    """Raises EchobenchError where the affine matrix of a NIfTI header, its sform, states another spacing.

    Of axes that are not at right angles ITK says so itself.
    """
    if struct.unpack_from(f"{order}h", head, _SFORM_CODE)[0] <= 0:
        return
    columns = list(zip(*(struct.unpack_from(f"{order}2f", head, at) for at in _SFORM_ROWS), strict=True))
    scale = tuple(math.hypot(*column) for column in columns)
    product = sum(a * b for a, b in zip(*columns, strict=True))
    usable = min(scale) > 0 and abs(product) <= _ALIKE * math.prod(scale)
    if usable and not all(math.isclose(a, b, rel_tol=_ALIKE) for a, b in zip(spacing, scale, strict=True)):
        stated, other = (" × ".join(f"{mm:.4g}" for mm in mms) for mms in (spacing, scale))
        raise EchobenchError(f"{path} states a spacing of {stated} mm, and of {other} mm in its sform; make them alike")


def _require_payload(path: Path, present: int, needed: int) -> None:
    if present < needed:
        raise EchobenchError(f"{path} is truncated: {max(0, present)} bytes of pixels where {needed} are needed")


def _whole(path: Path, key: str, text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 12):
        raise EchobenchError(f"{path} cannot be read: {key} is {_short(text)!r}, which is no sensible number")
    return int(text)


def _numbers(path: Path, key: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split())
    except ValueError as error:
        raise EchobenchError(f"{path} cannot be read: {key} is {_short(text)!r}; numbers are needed") from error


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
