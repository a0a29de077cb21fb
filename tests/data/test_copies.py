"""An image that two subsets share is noticed under whatever name, and an older release without test truth explained."""

import numpy as np
import pytest

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.check import check_camus
from echobench.data.datasets.medical_image import read_image, write_image
from echobench.data.datasets.registry import read_dataset

from .test_camus import SIZE, first_file


def copy_first_patient(folder, change):
    """The images of patient0001, who trains, become those of patient0005, who tests."""
    theirs = folder / "database_nifti" / "patient0005" / "patient0005_4CH_ED.nii.gz"
    write_image(theirs, change(read_image(first_file(folder)).pixels), (0.5, 0.4))


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
