"""The CAMUS reader: both layouts, orientation, spacing, split, and what it refuses."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.camus import find_frames, read_frame
from echobench.data.datasets.medical_image import read_image, write_image
from echobench.data.datasets.registry import read_dataset
from echobench.data.labels import Label

SIZE = (32, 32)


def first_file(folder: Path, suffix: str = "") -> Path:
    return folder / "database_nifti" / "patient0001" / f"patient0001_4CH_ED{suffix}.nii.gz"


def test_frames_come_back_as_written(camus_folder, make_frames):
    dataset = read_dataset(camus_folder, size=SIZE)
    written = make_frames(5)
    np.testing.assert_array_equal(dataset.frames.images, written.images)
    np.testing.assert_array_equal(dataset.frames.labels, written.labels)
    np.testing.assert_allclose(dataset.frames.spacing_mm, written.spacing_mm)
    assert dataset.frames.phase.tolist() == ["ED", "ES"] * 5
    assert dataset.split.origin == "official"
    assert dataset.split.testing == ("patient0005",)
    assert set(dataset.subset("training").patient) == {"patient0001", "patient0002", "patient0003"}


def test_the_cache_gives_the_same_frames_and_notices_a_changed_file(camus_folder):
    first = read_dataset(camus_folder, size=SIZE).frames
    assert read_dataset(camus_folder, size=SIZE).frames.fingerprint() == first.fingerprint()
    write_image(first_file(camus_folder), first.images[0] // 2, (0.5, 0.4))
    assert read_dataset(camus_folder, size=SIZE).frames.fingerprint() != first.fingerprint()


def test_resizing_keeps_millimetres_and_label_codes(camus_folder):
    frame = read_frame(find_frames(camus_folder)[0], (64, 16))
    assert frame.image.shape == frame.labels.shape == frame.sector.shape == (64, 16)
    assert frame.spacing_mm == pytest.approx((0.25, 0.8))
    assert set(np.unique(frame.labels)) <= {int(label) for label in Label}


def test_a_header_that_flips_or_swaps_the_axes_is_followed(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing((0.4, 0.5))
    for name, turned in (("flipped", sitk.Flip(image, (True, True))), ("swapped", sitk.PermuteAxes(image, (1, 0)))):
        path = tmp_path / f"{name}.mhd"
        sitk.WriteImage(turned, str(path))
        read = read_image(path)
        np.testing.assert_array_equal(read.pixels, pixels)
        assert read.spacing_mm == (0.5, 0.4)


def test_the_older_layout_numbers_its_test_patients_anew(tmp_path, make_frames):
    frames = make_frames(4)
    for i in range(len(frames)):
        part, number = (
            ("testing", 1) if frames.patient[i] == "patient0004" else ("training", int(frames.patient[i][-1]))
        )
        patient = tmp_path / part / f"patient{number:04d}"
        patient.mkdir(parents=True, exist_ok=True)
        for suffix, pixels in (("", frames.images[i]), ("_gt", frames.labels[i])):
            image = sitk.GetImageFromArray(pixels[None])  # one slice, as the release has it
            image.SetSpacing((0.4, 0.5, 1.0))
            sitk.WriteImage(image, str(patient / f"patient{number:04d}_4CH_{frames.phase[i]}{suffix}.mhd"))
    dataset = read_dataset(tmp_path, size=SIZE)
    assert len(dataset.frames) == 8
    assert dataset.split.testing == ("testing-patient0001",)
    assert len(dataset.split.training) == 2
    assert len(dataset.split.validation) == 1
    assert dataset.split.origin == "official testing, derived validation, seed 0"
    np.testing.assert_allclose(dataset.frames.spacing_mm, frames.spacing_mm)


def test_without_a_split_one_is_derived_by_patient_and_named(tmp_path, make_frames, make_camus):
    folder = make_camus(tmp_path, make_frames(10), None)
    split = read_dataset(folder, size=SIZE, seed=3).split
    assert split.origin == "derived, seed 3"
    assert [len(split.patients(s)) for s in ("training", "validation", "testing")] == [8, 1, 1]
    assert read_dataset(folder, size=SIZE, seed=3).split == split
    assert any(read_dataset(folder, size=SIZE, seed=s).split.testing != split.testing for s in range(5))


def test_the_ejection_fraction_is_that_of_the_info_files_where_they_state_one(camus_folder):
    assert read_dataset(camus_folder, size=SIZE).ejection_fraction == {}
    database = camus_folder / "database_nifti"
    for patient, text in (
        ("patient0001", "ED: 1\nES: 21\nAge: 77\nEF: 46\nFrameRate: 56.5"),
        ("patient0002", "LVedv: 94.6\nLVesv: 43.9\nLVef: 53.6\n"),  # the older release
        ("patient0003", "ED: 1\nEF: n/a"),
    ):
        (database / patient / "Info_2CH.cfg").write_text(text)
    dataset = read_dataset(camus_folder, size=SIZE)
    assert dataset.ejection_fraction == {"patient0001": 46, "patient0002": 53.6}
    assert dataset.clinical.loc["patient0002", ["edv_ml", "esv_ml"]].tolist() == [94.6, 43.9]


def test_the_info_files_say_who_the_patients_are(camus_folder):
    folder = camus_folder / "database_nifti" / "patient0001"
    (folder / "Info_2CH.cfg").write_text("Sex: F\nAge: 56\nImageQuality: Good\nEF: 46")
    (folder / "Info_4CH.cfg").write_text("Sex: F\nAge: 56\nImageQuality: Poor\nEF: 46")
    patient = read_dataset(camus_folder, size=SIZE).clinical.loc["patient0001"].dropna().to_dict()
    assert patient == {"ef_percent": 46, "sex": "F", "age_years": 56, "quality_2C": "Good", "quality_4C": "Poor"}


def test_a_sector_file_beside_the_image_is_taken(camus_folder):
    write_image(first_file(camus_folder, "_sector"), np.ones(SIZE, dtype=np.uint8), (0.5, 0.4))
    assert read_frame(find_frames(camus_folder)[0], SIZE).sector.all()
    assert not read_frame(find_frames(camus_folder)[1], SIZE).sector.all()


def truncate_gz(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def shorten_inside(path: Path) -> None:
    """A whole gzip stream whose content is too short: what ITK pads with zeros."""
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:600]))


def rewrite(path: Path, change) -> None:
    image = read_image(path)
    write_image(path, change(image.pixels.copy()), image.spacing_mm)


def label_seven(pixels):
    pixels[5, 5] = 7
    return pixels


def cropped(pixels):
    return pixels[:, :20]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(lambda f: truncate_gz(first_file(f)), "truncated", id="truncated"),
        pytest.param(lambda f: shorten_inside(first_file(f)), "truncated", id="short"),
        pytest.param(lambda f: first_file(f).write_bytes(b"hello"), "cannot be read", id="not-an-image"),
        pytest.param(lambda f: rewrite(first_file(f, "_gt"), label_seven), "the label 7; known: 0 BACK", id="label-7"),
        pytest.param(lambda f: rewrite(first_file(f, "_gt"), cropped), "pixels and its ground truth 32×20", id="sizes"),
        pytest.param(lambda f: rewrite(first_file(f), np.zeros_like), "the image is black", id="black"),
        pytest.param(lambda f: first_file(f, "_gt").unlink(), "no ground truth", id="no-truth"),
        pytest.param(lambda f: first_file(f).unlink(), "has no image beside it", id="no-image"),
    ],
)  # fmt: skip
def test_an_unfit_frame_is_named(camus_folder, damage, sentence):
    damage(camus_folder)
    with pytest.raises(EchobenchError, match=sentence) as raised:
        read_dataset(camus_folder, size=SIZE)
    assert "patient0001_4CH_ED" in str(raised.value)


def test_a_missing_and_an_empty_folder_say_what_was_expected(tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(EchobenchError, match="database_nifti"):
            read_dataset(folder)


def test_a_patient_in_two_subsets_is_refused(camus_folder):
    testing = camus_folder / "database_split" / "subgroup_testing.txt"
    testing.write_text(testing.read_text() + "\npatient0001\n")
    with pytest.raises(EchobenchError, match="patient0001 in more than one subset"):
        read_dataset(camus_folder, size=SIZE)


def test_real_camus_has_the_official_split_and_upright_hearts(real_camus):
    dataset = read_dataset(real_camus, view="4C")
    assert dataset.split.origin == "official"
    testing = dataset.subset("testing")
    assert len(testing) == 100
    rows = np.indices(testing.size)[0]
    for labels in testing.labels:
        assert rows[labels == Label.LV_ENDO].mean() < rows[labels == Label.LA].mean()  # the apex is at the top


def test_unfit_pixels_are_named(camus_folder):
    folder = camus_folder / "database_nifti" / "patient0001"
    files = find_frames(camus_folder)[0]
    grey = read_image(files.image).pixels
    sitk.WriteImage(sitk.GetImageFromArray((grey / 255).astype(np.float32)), str(files.image))
    with pytest.raises(EchobenchError, match=r"grey values from 0 to .*; scale them to 0-255"):
        read_frame(files, (32, 32))
    write_image(files.image, grey, (1.0, 1.0))
    write_image(files.truth, np.zeros_like(grey), (1.0, 1.0))
    with pytest.raises(EchobenchError, match="marks no structure"):
        read_frame(files, (32, 32))
    shutil.copy(files.image, folder / files.image.name.removesuffix(".gz"))
    with pytest.raises(EchobenchError, match="are of the same frame; remove one"):
        find_frames(camus_folder)
