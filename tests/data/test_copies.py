"""What shows once all frames are read: copies under whatever name, hearts upside down; a release without test truth."""

import numpy as np
import pytest

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.check import check_camus
from echobench.data.datasets.copies import sharing, thumbnails_of
from echobench.data.datasets.medical_image import read_image, write_image
from echobench.data.datasets.registry import read_dataset
from echobench.data.datasets.soundness import is_upside_down
from echobench.data.labels import Label
from echobench.data.splits import SUBSETS, derive_split

from .test_camus import SIZE, first_file


def copy_first_patient(folder, change):
    """The images of patient0001, who trains, become those of patient0005, who tests."""
    theirs = folder / "database_nifti" / "patient0005" / "patient0005_4CH_ED.nii.gz"
    write_image(theirs, change(read_image(first_file(folder)).pixels), (0.5, 0.4))


def turned(path):
    """Image and map of a frame, upside down."""
    for one in (path, path.with_name(path.name.replace("_gt", ""))):
        read = read_image(one)
        write_image(one, np.ascontiguousarray(read.pixels[::-1]), read.spacing_mm)


def brighter_by_one(pixels):
    return np.where(pixels % 3 == 0, pixels, np.minimum(pixels, 254) + 1).astype(np.uint8) * (pixels > 0)


@pytest.mark.parametrize("change", [lambda pixels: pixels, brighter_by_one], ids=["exact", "nearly"])
def test_a_copy_in_two_subsets_is_refused(camus_folder, change):
    assert check_camus(camus_folder).sound
    copy_first_patient(camus_folder, change)
    sentence = r"patient0005 \(testing\) is the same image as one of patient0001 \(training\)"
    with pytest.raises(EchobenchError, match=sentence):
        read_dataset(camus_folder, size=SIZE)
    report = check_camus(camus_folder)
    assert not report.sound
    assert [finding.text.split(" (")[0] for finding in report.findings] == ["an image of patient0005"]


def test_copies_within_a_subset_are_nobodys_leak(camus_folder):
    path = camus_folder / "database_nifti" / "patient0002" / "patient0002_4CH_ED.nii.gz"
    path.write_bytes(first_file(camus_folder).read_bytes())
    read_dataset(camus_folder, size=SIZE)


def subset_of(split):
    return {patient: subset for subset in SUBSETS for patient in split.patients(subset)}


def test_a_derived_split_keeps_patients_together_who_share_an_image(tmp_path, make_camus, make_frames):
    folder = make_camus(tmp_path / "d", make_frames(10), None)
    before = [read_dataset(folder, size=SIZE, seed=seed).split for seed in range(8)]
    assert before == [derive_split((f"patient{i:04d}" for i in range(1, 11)), seed) for seed in range(8)]
    copy_first_patient(folder, brighter_by_one)
    after = [read_dataset(folder, size=SIZE, seed=seed).split for seed in range(8)]
    parted = [of["patient0001"] != of["patient0005"] for of in map(subset_of, before)]
    assert 0 < sum(parted) < 8
    assert all(of["patient0001"] == of["patient0005"] for of in map(subset_of, after))
    for old, new, was_parted in zip(before, after, parted, strict=True):
        assert was_parted or new == old, "a split that parts nobody stays"
        assert all(new.patients(subset) for subset in SUBSETS)
    assert after == [read_dataset(folder, size=SIZE, seed=seed).split for seed in range(8)]
    report = check_camus(folder)
    assert report.sound
    assert [f.text.split(":")[0] for f in report.findings] == ["patient0001 and patient0005 share an image"]


def test_groups_are_divided_as_patients_are():
    patients = [f"p{i:02d}" for i in range(40)]
    assert derive_split(patients, 3, together=[{"p00"}, set()]) == derive_split(patients, 3)
    groups = [set(patients[i : i + 4]) for i in range(0, 40, 4)]
    for seed in range(5):
        split = derive_split(patients, seed, together=groups)
        of = subset_of(split)
        assert all(len({of[patient] for patient in group}) == 1 for group in groups)
        assert len(of) == 40
        assert [len(split.patients(subset)) for subset in SUBSETS] == [32, 4, 4]
    with pytest.raises(EchobenchError, match="2 groups of patients who share an image are too few"):
        derive_split(patients, 0, together=[set(patients[:20]), set(patients[20:])])


def test_copies_join_into_one_group():
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32), dtype=np.uint8)
    rows = [(0, "a"), (1, "b"), (1, "a"), (2, "c"), (3, "d"), (2, "b"), (3, "d")]
    thumbnails = thumbnails_of([images[i] for i, _ in rows])
    assert sharing(thumbnails, [name for _, name in rows]) == [{"a", "b", "c"}]


def test_testing_without_ground_truth_says_what_to_do(camus_folder):
    (camus_folder / "database_nifti").rename(camus_folder / "training")
    for path in (camus_folder / "database_split").iterdir():
        path.unlink()
    (camus_folder / "testing").mkdir()
    (camus_folder / "training" / "patient0005").rename(camus_folder / "testing" / "patient0001")
    for path in list((camus_folder / "testing" / "patient0001").iterdir()):
        if "_gt" in path.name:
            path.unlink()
        else:
            path.rename(path.with_name(path.name.replace("patient0005", "patient0001")))
    with pytest.raises(EchobenchError, match="move that folder away, and a split is derived"):
        read_dataset(camus_folder, size=SIZE)
    assert any("move that folder away" in finding.text for finding in check_camus(camus_folder).findings)
    (camus_folder / "testing").rename(camus_folder.parent / "away")
    assert read_dataset(camus_folder, size=SIZE).split.origin == "derived, seed 0"


def test_a_heart_upside_down(camus_folder):
    assert not turned(next(camus_folder.rglob("*_gt.nii.gz")))
    report = check_camus(camus_folder)
    assert report.sound
    assert "patient0001 4C ED: the atrium lies above the ventricle" in report.findings[0].text
    read_dataset(camus_folder, size=SIZE)
    for path in sorted(camus_folder.rglob("*_gt.nii.gz"))[1:]:
        turned(path)
    with pytest.raises(EchobenchError, match="the images are upside down: in 10 of 10 label maps"):
        read_dataset(camus_folder, size=SIZE)
    assert "turn images and maps" in check_camus(camus_folder).findings[0].text


def test_hearts_without_an_atrium_are_not_judged(make_frames):
    labels = make_frames(1).labels[0]
    assert is_upside_down(labels) is False
    assert is_upside_down(labels[::-1]) is True
    assert is_upside_down(np.where(labels == Label.LA, np.uint8(0), labels)[::-1]) is None
    assert is_upside_down(np.where(labels == Label.LV_ENDO, np.uint8(2), labels)[::-1]) is None
