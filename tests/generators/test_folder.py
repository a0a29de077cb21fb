"""`folder:DIR`: what is read, what is translated, and what is refused."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.folder import read_folder
from echobench.data.datasets.registry import check_dataset, check_drawn, read_dataset, read_drawn
from echobench.data.frames import Frames
from echobench.data.labels import Label
from echobench.data.maps import item_seeds, label_maps
from echobench.data.splits import SUBSETS, Split
from echobench.data.store import FrameWriter
from echobench.generators.folder import FolderSettings, folder_of
from echobench.generators.paint import Paint, PaintSettings

SIZE = (32, 32)
SPLIT = Split(("patient0001", "patient0002"), ("patient0003",), ("patient0009",), "official")


def sector_coded(frames: Frames) -> np.ndarray:
    """Maps as published code writes them: 0 outside, 1 cavity, 2 sector, 3 wall, 4 atrium."""
    return np.where(frames.sector, np.array([2, 1, 3, 4], dtype=np.uint8)[frames.labels], np.uint8(0))


def write_pictures(folder, frames, maps=None, **columns):
    """PNG files and a manifest that names them."""
    folder.mkdir(exist_ok=True)
    maps = frames.labels if maps is None else maps
    rows = []
    for i in range(len(frames)):
        for kind, pixels in (("image", frames.images[i]), ("map", maps[i])):
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), str(folder / f"{kind}{i}.png"))
        row = {"image": f"image{i}.png", "labels": f"map{i}.png", "patient": frames.patient[i]}
        rows.append(row | {"view": frames.view[i], "phase": frames.phase[i]} | columns)
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def read(folder, split=SPLIT, **options):
    return read_folder(folder, split, size=SIZE, **options)


def test_a_name_with_a_path():
    assert str(folder_of("folder:a/b")) == "a/b"
    assert folder_of("real") is None


def test_settings_change_with_the_files(make_frames, tmp_path):
    folder = write_pictures(tmp_path / "drawn", make_frames(3))
    before = FolderSettings.of(folder)
    assert before == FolderSettings.of(folder)
    (folder / "image1.png").write_bytes(b"")
    assert before != FolderSettings.of(folder)


@pytest.mark.parametrize("coded", [False, True], ids=["our codes", "sector codes"])
def test_pictures_with_a_manifest(make_frames, tmp_path, coded):
    frames = make_frames(3)
    inside = replace(frames, labels=np.where(frames.sector, frames.labels, np.uint8(0)))
    dataset = read(write_pictures(tmp_path / "drawn", inside, sector_coded(frames) if coded else None))
    np.testing.assert_array_equal(dataset.frames.images, inside.images)
    np.testing.assert_array_equal(dataset.frames.labels, inside.labels)
    # Both ways to find the sector are hulls, which differ by a pixel along its edges.
    assert (dataset.frames.sector != frames.sector).mean() < 0.08
    assert dataset.split == Split(("patient0001", "patient0002"), ("patient0003",), (), "official")
    assert len(dataset.subset("training", "4C")) == 4


def test_the_camus_layout_under_names_of_patients_with_numbers(make_frames, make_camus, tmp_path):
    frames = make_frames(3)
    numbered = replace(frames, patient=np.array([f"{name}-7" for name in frames.patient]))
    dataset = read(make_camus(tmp_path / "drawn", numbered, None))
    np.testing.assert_array_equal(dataset.frames.images, frames.images)
    assert list(dataset.frames.patient) == list(frames.patient)
    np.testing.assert_allclose(dataset.frames.spacing_mm, frames.spacing_mm)


def test_patients_of_a_folder_who_share_an_image_stay_together(make_frames, tmp_path):
    frames = make_frames(6)
    shared = replace(frames, images=frames.images[[0, 1, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11]])
    folder = write_pictures(tmp_path / "drawn", shared)
    report = check_dataset(folder)
    assert report.sound
    assert "patient0001 and patient0002 share an image" in report.findings[0].text
    splits = [read_dataset(folder, size=SIZE, seed=seed).split for seed in range(5)]
    assert all(
        ("patient0001" in split.patients(subset)) == ("patient0002" in split.patients(subset))
        for split in splits
        for subset in SUBSETS
    )


def test_a_copy_of_a_test_frame_under_a_name_that_nobody_knows_is_refused(make_frames, make_camus, tmp_path):
    dataset = read_dataset(make_camus(tmp_path / "camus", make_frames(5), (3, 1, 1)), size=SIZE)
    own = make_frames(3, seed=7)
    assert len(read_drawn(write_pictures(tmp_path / "own", own), dataset).frames) == 6
    for name, patient, subset in (("test", "patient0005", "testing"), ("scored", "patient0004", "validation")):
        theirs = dataset.frames.images[dataset.frames.patient == patient][0]
        almost = np.where(theirs % 3 == 0, theirs, np.minimum(theirs, 254) + 1).astype(np.uint8) * (theirs > 0)
        images = own.images.copy()
        images[1] = almost
        stranger = np.where(np.arange(6) < 2, "somebody", own.patient)
        folder = write_pictures(tmp_path / name, replace(own, images=images, patient=stranger))
        with pytest.raises(EchobenchError, match=f"the 4C ES image of somebody is a copy of a frame of {patient}"):
            read_drawn(folder, dataset, scored_on=subset)
    assert len(read_drawn(tmp_path / "scored", dataset).frames) == 6, "validation frames select, where others score"
    assert check_drawn(tmp_path / "own", tmp_path / "camus").sound is True
    report = check_drawn(tmp_path / "test", tmp_path / "camus")
    assert not report.sound and "is a copy of a frame of patient0005" in report.findings[0].text


def test_drawn_images_upside_down_are_refused(make_frames, make_camus, tmp_path):
    dataset = read_dataset(make_camus(tmp_path / "camus", make_frames(5), (3, 1, 1)), size=SIZE)
    own = make_frames(3, seed=7)
    turned = replace(own, images=own.images[:, ::-1], labels=own.labels[:, ::-1])
    with pytest.raises(EchobenchError, match="upside down: in 6 of 6 label maps"):
        read_drawn(write_pictures(tmp_path / "turned", turned), dataset)


def test_a_spacing_that_the_manifest_states(make_frames, make_camus, tmp_path):
    frames = make_frames(3)
    assert np.isnan(read(write_pictures(tmp_path / "none", frames)).frames.spacing_mm).all()
    folder = write_pictures(tmp_path / "stated", frames, row_mm="0.5", column_mm="0.4")
    assert np.unique(read(folder).frames.spacing_mm, axis=0).tolist() == [[0.5, 0.4]]
    with pytest.raises(EchobenchError, match=r"a pixel of 0 × 0.4 mm; both must be positive"):
        read(write_pictures(tmp_path / "zero", frames, row_mm="0", column_mm="0.4"))
    with pytest.raises(EchobenchError, match=r"a pixel of 0.5 ×  mm"):
        read(write_pictures(tmp_path / "half", frames, row_mm="0.5", column_mm=""))
    images = make_camus(tmp_path / "camus", frames, None) / "database_nifti"
    named = write_pictures(tmp_path / "both", frames, row_mm="0.7", column_mm="0.7")
    for i in range(len(frames)):
        stem = f"{frames.patient[i]}_4CH_{frames.phase[i]}"
        (images / frames.patient[i] / f"{stem}.nii.gz").rename(named / f"image{i}.nii.gz")
    text = (named / "manifest.csv").read_text().replace(".png,map", ".nii.gz,map")
    (named / "manifest.csv").write_text(text)
    with pytest.raises(EchobenchError, match=r"0.7 × 0.7 mm, and its header another"):
        read(named)


def pixels(frames):
    """What the frames show, in no order."""
    return sorted((image.tobytes(), label.tobytes()) for image, label in zip(frames.images, frames.labels, strict=True))


def test_what_a_run_drew_is_read_back(make_frames, tmp_path):
    """Training and validation folders as a run writes them; label maps and images return as they were."""
    frames = make_frames(3)
    painter = Paint(PaintSettings()).fit(frames, 0)
    parts = {}
    for name, patients in (("training-4C", SPLIT.training), ("validation-4C", SPLIT.validation)):
        maps = label_maps(frames.where(patients=patients), strength=1, repeats=2, seed=0)
        seeds = item_seeds(maps.source, maps.source_index, np.arange(len(maps)), "sample")
        parts[name] = maps.with_images(painter.sample(maps, seeds))
        FrameWriter(tmp_path / name, maps, seeds).append(parts[name].images)
    dataset = read(tmp_path)
    for subset in ("training", "validation"):
        found, drawn = dataset.subset(subset), parts[f"{subset}-4C"]
        assert pixels(found) == pixels(drawn)


def test_images_and_maps_are_resized_like_a_dataset(make_frames, tmp_path):
    dataset = read_folder(write_pictures(tmp_path / "drawn", make_frames(3, size=64)), SPLIT, size=SIZE)
    assert dataset.frames.size == SIZE
    assert set(np.unique(dataset.frames.labels)) == {int(label) for label in Label}
    assert np.isnan(dataset.frames.spacing_mm).all(), "a PNG states none"


@pytest.mark.parametrize(
    "patients", [("patient0001", "patient0002"), tuple("abcdefghij")], ids=["no validation", "strangers"]
)
def test_validation_patients_are_set_aside_where_there_are_none(make_frames, tmp_path, patients):
    frames = make_frames(len(patients))
    frames = replace(frames, patient=np.repeat(np.array(patients), 2))
    dataset = read(write_pictures(tmp_path / "drawn", frames), seed=1)
    assert len(dataset.split.validation) == 1
    assert set(dataset.split.validation + dataset.split.training) == set(patients)
    assert dataset.split.testing == ()
    assert dataset.split.origin == "derived, seed 1"


def test_frames_made_from_test_patients_are_refused(make_frames, tmp_path):
    folder = write_pictures(tmp_path / "drawn", make_frames(2, first=8))
    with pytest.raises(EchobenchError, match="made from the test patient patient0009"):
        read(folder)


@pytest.mark.parametrize("name", ["Patient0009", " patient0009", "patient0009-3", "patient0009-3-0"])
def test_test_patients_are_known_however_they_are_written(make_frames, tmp_path, name):
    frames = make_frames(2)
    with pytest.raises(EchobenchError, match="made from the test patient patient0009"):
        read(write_pictures(tmp_path / "drawn", replace(frames, patient=np.full(len(frames), name))))


def test_an_unknown_code_lists_the_known_ones(make_frames, tmp_path):
    frames = make_frames(3)
    maps = frames.labels.copy()
    maps[2, 0, 0] = 7
    with pytest.raises(EchobenchError, match=r"map2\.png has the code 7; known: 0 BACKGROUND.* 2 sector"):
        read(write_pictures(tmp_path / "drawn", frames, maps))


def test_maps_of_two_codings_are_noticed(make_frames, tmp_path):
    frames = make_frames(3)
    maps = sector_coded(frames)
    maps[4] = frames.labels[4]
    with pytest.raises(EchobenchError, match=r"two codings"):
        read(write_pictures(tmp_path / "drawn", frames, maps))


def test_sector_codes_without_an_atrium_are_not_taken_for_labels(make_frames, tmp_path):
    frames = make_frames(3)
    maps = sector_coded(frames)
    maps[maps == 4] = 2
    with pytest.raises(EchobenchError, match="without an atrium"):
        read(write_pictures(tmp_path / "drawn", frames, maps))


def test_holes_that_black_speckle_left_in_a_sector_are_filled(make_frames, tmp_path):
    frames = make_frames(3)
    maps, images = sector_coded(frames), frames.images.copy()
    maps[:, 28, 12:20] = 0
    images[:, 28, 12:20] = 0
    dataset = read(write_pictures(tmp_path / "drawn", replace(frames, images=images), maps))
    assert dataset.frames.sector[:, 28, 12:20].all()


def test_files_that_do_not_pair(make_frames, make_camus, tmp_path):
    frames = make_frames(3)
    cases = []
    small = SimpleITK.GetImageFromArray(np.zeros((8, 8), dtype=np.uint8))
    folder = write_pictures(tmp_path / "sizes", frames)
    SimpleITK.WriteImage(small, str(folder / "map1.png"))
    cases.append((folder, r"image1\.png is \(32, 32\) pixels and its label map \(8, 8\)"))
    folder = write_pictures(tmp_path / "missing", frames)
    (folder / "map1.png").unlink()
    cases.append((folder, r"map1\.png cannot be read: there is no such file"))
    folder = make_camus(tmp_path / "unlabelled", frames, None)
    (folder / "database_nifti" / "patient0002" / "patient0002_4CH_ED_gt.nii.gz").unlink()
    cases.append((folder, r"patient0002_4CH_ED\.nii\.gz has no label map"))
    cases.append((write_pictures(tmp_path / "changed", frames, image_sha256="00"), "it was changed"))
    cases.append((write_pictures(tmp_path / "view", replace(frames, view=np.array(["PLAX"] * 6))), "known: 2C, 4C"))
    cases.append((tmp_path / "nowhere", "there is no folder"))
    (tmp_path / "columns").mkdir()
    (tmp_path / "columns" / "manifest.csv").write_text("file,mask\na,b\n")
    cases.append((tmp_path / "columns", "must have the columns image, labels, patient, view, phase; it has file, mask"))
    for folder, message in cases:
        with pytest.raises(EchobenchError, match=message):
            read(folder)


def test_a_view_that_nobody_drew(make_frames, tmp_path):
    with pytest.raises(EchobenchError, match="there are no 2C frames"):
        read(write_pictures(tmp_path / "drawn", make_frames(3)), view="2C")
