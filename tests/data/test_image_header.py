"""Headers that lie, files that are short, and what is no file: refused before ITK sees it, with the reason."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.camus import find_frames, read_frame
from echobench.data.datasets.check import check_camus
from echobench.data.datasets.medical_image import read_image, shown, write_image
from echobench.data.datasets.registry import read_dataset

from .test_camus import SIZE, first_file

PIXELS = np.arange(200, dtype=np.uint8).reshape(10, 20)


def image(pixels=PIXELS) -> sitk.Image:
    made = sitk.GetImageFromArray(pixels)
    made.SetSpacing((0.4, 0.5))
    return made


def patched(path: Path, form: str, at: int, *values) -> None:
    """Writes values into the header of a NIfTI file."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(form, content, at, *values)
    path.write_bytes(gzip.compress(bytes(content)))


def nifti(folder: Path) -> Path:
    write_image(folder / "x.nii.gz", PIXELS, (0.5, 0.4))
    return folder / "x.nii.gz"


def refusal(path: Path) -> str:
    with pytest.raises(EchobenchError) as raised:
        read_image(path)
    assert path.name in str(raised.value)
    return str(raised.value)


def test_itk_says_itself_what_it_cannot_read(tmp_path):
    path = nifti(tmp_path)
    patched(path, "<hh", 252, 0, 1)
    patched(path, "<12f", 280, 0.6, 0.2, 0, 0, 0, 0.6, 0, 0, 0, 0, 1, 0)
    said = refusal(path)
    assert "orthonormal direction cosines" in said
    assert "truncated" not in said
    assert "\n" not in said
    assert ".cxx" not in said


def test_a_nifti_that_is_not_gzip_is_told_its_name(tmp_path):
    path = nifti(tmp_path)
    path.write_bytes(gzip.decompress(path.read_bytes()))
    assert "not compressed with gzip" in refusal(path)
    assert "rename it to .nii" in refusal(path)
    path.write_bytes(b"")
    assert refusal(path).endswith("it is empty")


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("ending", [".mhd", ".mha"])
def test_every_form_of_metaimage(tmp_path, compress, ending):
    sitk.WriteImage(image(), str(tmp_path / f"x{ending}"), compress)
    read = read_image(tmp_path / f"x{ending}")
    np.testing.assert_array_equal(read.pixels, PIXELS)
    assert read.spacing_mm == (0.5, 0.4)


def test_a_metaimage_that_holds_its_pixels_itself(tmp_path):
    sitk.WriteImage(image(), str(tmp_path / "x.mha"))
    (tmp_path / "x.mha").rename(tmp_path / "x.mhd")
    np.testing.assert_array_equal(read_image(tmp_path / "x.mhd").pixels, PIXELS)
    content = (tmp_path / "x.mhd").read_bytes()
    (tmp_path / "x.mhd").write_bytes(content[:-1])
    assert "199 bytes of pixels where 200 are needed" in refusal(tmp_path / "x.mhd")


def test_compressed_pixels_that_are_short(tmp_path):
    sitk.WriteImage(image(), str(tmp_path / "x.mhd"), True)
    raw = tmp_path / "x.zraw"
    raw.write_bytes(raw.read_bytes()[:-40])
    assert "truncated" in refusal(tmp_path / "x.mhd")


def test_a_file_of_pixels_that_is_missing_is_named(tmp_path):
    sitk.WriteImage(image(), str(tmp_path / "x.mhd"))
    (tmp_path / "x.raw").unlink()
    assert "x.raw cannot be read: there is no such file" in refusal(tmp_path / "x.mhd")


def test_a_nifti_cut_by_less_than_its_header(tmp_path):
    path = nifti(tmp_path)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))
    assert "199 bytes of pixels where 200 are needed" in refusal(path)


def test_the_file_that_is_named_is_read_and_not_its_neighbour(tmp_path):
    path = nifti(tmp_path)
    sitk.WriteImage(image(np.zeros_like(PIXELS)), str(tmp_path / "x.nii"))
    np.testing.assert_array_equal(read_image(path).pixels, PIXELS)
    path.unlink()
    assert "no such file" in refusal(path)


@pytest.mark.parametrize(
    ("form", "at", "values", "sentence"),
    [
        ("<3h", 40, (2, 32000, 32000), "claims 32000×32000 pixels"),
        ("<3h", 40, (2, 0, 5), "which no image has"),
        ("<h", 40, (9,), "which no image has"),
        ("<4s", 344, (b"ni1\0",), "pixels in another file"),
        ("<2f", 80, (0.0, 0.0), "spacing of 0 × 0 mm"),
        ("<2f", 80, (float("nan"), 1.0), "spacing of nan"),
        ("<f", 108, (float("nan"),), "its header is damaged"),
    ],
)
def test_a_nifti_header_that_lies(tmp_path, form, at, values, sentence):
    path = nifti(tmp_path)
    patched(path, form, at, *values)
    assert sentence in refusal(path)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("NDims = 99999999999999999999", "states NDims"),
        ("DimSize = 40000 40000", "claims 40000×40000 pixels"),
        ("DimSize = 99999999999999999999 1", "no sensible number"),
        ("DimSize = 20", "DimSize"),
        ("ElementSpacing = 0 0", "it must be positive"),
        ("ElementSpacing = nan 1", "it must be positive"),
        ("ElementType = MET_OTHER", "type 'MET_OTHER'; known: MET_CHAR"),
        ("ElementDataFile = ../secret", "outside of"),
        ("ElementDataFile = /etc/passwd", "outside of"),
        ("ElementDataFile = LIST", "several files"),
    ],
)
def test_a_metaimage_header_that_lies(tmp_path, line, sentence):
    folder = tmp_path / "set"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(200))
    path = folder / "x.mhd"
    sitk.WriteImage(image(), str(path))
    key = line.split(" = ")[0]
    lines = [line if old.startswith(f"{key} ") else old for old in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")
    assert sentence in refusal(path)


def test_pixels_elsewhere_in_the_same_dataset(tmp_path):
    (tmp_path / "set" / "headers").mkdir(parents=True)
    path = tmp_path / "set" / "headers" / "x.mhd"
    sitk.WriteImage(image(), str(path))
    (path.parent / "x.raw").rename(tmp_path / "set" / "x.raw")
    path.write_text(path.read_text().replace("= x.raw", "= ../x.raw"))
    np.testing.assert_array_equal(read_image(path, tmp_path / "set").pixels, PIXELS)


def test_the_cache_notices_changed_pixels_beside_a_header(camus_folder):
    for suffix in ("", "_gt"):
        path = first_file(camus_folder, suffix)
        sitk.WriteImage(sitk.ReadImage(str(path)), str(path).replace(".nii.gz", ".mhd"))
        path.unlink()
    first = read_dataset(camus_folder, size=SIZE).frames
    raw = next(camus_folder.rglob("patient0001_4CH_ED.raw"))
    raw.write_bytes(bytes(value // 2 for value in raw.read_bytes()))
    assert read_dataset(camus_folder, size=SIZE).frames.fingerprint() != first.fingerprint()


def test_what_is_no_file_is_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.nii.gz")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.mhd").mkdir()
    assert "not a regular file" in refusal(tmp_path / "pipe.nii.gz")
    assert "not a regular file" in refusal(tmp_path / "pipe.png")
    assert "is a folder" in refusal(tmp_path / "folder.mhd")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = nifti(tmp_path)
    path.chmod(0)
    assert "no permission" in refusal(path)


def test_pictures(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "x.JPG", quality=95)
    read = read_image(tmp_path / "x.JPG")
    assert np.abs(read.pixels.astype(int) - PIXELS).max() < 12
    assert np.isnan(read.spacing_mm).all(), "a picture states no spacing"
    Image.fromarray(PIXELS).convert("RGB").save(tmp_path / "colour.png")
    assert "has colours (RGB)" in refusal(tmp_path / "colour.png")
    Image.fromarray(PIXELS).convert("P").save(tmp_path / "palette.png")
    assert "has colours (P)" in refusal(tmp_path / "palette.png")
    (tmp_path / "x.txt").write_text("no image")
    assert "known: .nii, .nii.gz, .mhd" in refusal(tmp_path / "x.txt")


def test_four_axes_of_one_slice_and_an_ending_in_capitals(camus_folder):
    path = first_file(camus_folder)
    patched(path, "<8h", 40, 4, 32, 32, 1, 1, 1, 1, 1)
    for suffix in ("", "_gt"):
        named = first_file(camus_folder, suffix)
        named.rename(str(named).replace(".nii.gz", ".NII.GZ"))
    assert len(find_frames(camus_folder)) == 10
    assert read_frame(find_frames(camus_folder)[0], SIZE).image.shape == SIZE


def test_image_and_map_that_are_turned_against_each_other(camus_folder):
    path = first_file(camus_folder, "_gt")
    turned = sitk.ReadImage(str(path))
    turned.SetDirection((-1, 0, 0, -1))
    sitk.WriteImage(turned, str(path))
    with pytest.raises(EchobenchError, match="turned against each other"):
        read_dataset(camus_folder, size=SIZE)
    assert "patient0001_4CH_ED" in check_camus(camus_folder).findings[0].text


def test_image_and_map_of_another_spacing(camus_folder):
    path = first_file(camus_folder)
    write_image(path, read_image(path).pixels, (1.0, 1.0))
    with pytest.raises(EchobenchError, match=r"spacings \(1, 1\) and \(0.5, 0.4\) mm"):
        read_dataset(camus_folder, size=SIZE)


def test_a_spacing_that_is_lost_is_not_a_millimetre(camus_folder):
    for suffix in ("", "_gt"):
        path = first_file(camus_folder, suffix)
        header = path.with_name(path.name.replace(".nii.gz", ".mhd"))
        sitk.WriteImage(sitk.ReadImage(str(path)), str(header))
        path.unlink()
        kept = [line for line in header.read_text().splitlines() if not line.startswith("ElementS")]
        header.write_text("\n".join(kept) + "\n")
        assert np.isnan(read_image(header).spacing_mm).all()
    with pytest.raises(EchobenchError, match="states no spacing"):
        read_dataset(camus_folder, size=SIZE)


def test_what_itk_would_only_mutter_about_is_said(tmp_path, capfd):
    """Two spacings in one header: ITK writes a warning and takes one of them."""
    path = nifti(tmp_path)
    patched(path, "<4f", 280, 5.0, 0.0, 0.0, 0.0)
    assert "mm in its sform; make them alike" in refusal(path)
    sitk.ReadImage(str(path))
    assert capfd.readouterr().err == ""


def test_an_unknown_spacing_is_written_and_read_as_unknown(tmp_path, camus_folder):
    write_image(tmp_path / "x.nii.gz", PIXELS, (float("nan"), float("nan")))
    assert np.isnan(read_image(tmp_path / "x.nii.gz").spacing_mm).all()
    np.testing.assert_array_equal(read_image(tmp_path / "x.nii.gz").pixels, PIXELS)
    write_image(tmp_path / "y.nii.gz", PIXELS, (1.0, 1.0))
    assert read_image(tmp_path / "y.nii.gz").spacing_mm == (1, 1), "a millimetre that is stated is one"
    for path in camus_folder.rglob("*_4CH_*.nii.gz"):
        write_image(path, read_image(path).pixels, (float("nan"), float("nan")))
    assert np.isnan(read_dataset(camus_folder, size=SIZE).frames.spacing_mm).all()
    report = check_camus(camus_folder)
    assert report.sound
    assert [f.text.split(",")[0] for f in report.findings] == ["no frame states its spacing"]


def test_a_value_is_never_shown_as_another():
    assert [shown(value) for value in (7, 0.5, 1.0000001, 255.00001)] == ["7", "0.5", "1.0000001", "255.00001"]
    assert shown(float("nan")) == "nan"
