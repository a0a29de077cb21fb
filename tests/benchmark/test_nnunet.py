"""`echobench generate --layout nnunet`: a dataset that nnU-Net v2 takes, by its documentation and by its own check."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner
from skimage.io import imread, imsave

from echobench.benchmark.cli.entry import main
from echobench.benchmark.generate import ORIGIN, generate
from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.camus import find_frames
from echobench.data.datasets.medical_image import read_image
from echobench.data.labels import Label
from echobench.data.store import read_manifest
from echobench.generators.sdm import SemanticDiffusion
from tests.benchmark.test_generate import SETTINGS

NAME = "Dataset501_Echo"


@pytest.fixture
def checkpoint(make_frames, tmp_path):
    path = tmp_path / "generator-4C.pt"
    SemanticDiffusion(SETTINGS).fit(make_frames(2), 0).save(path)
    return path


@pytest.fixture
def wall_less(make_frames, make_camus, tmp_path):
    """A CAMUS folder whose experts drew no wall: our codes 0, 1 and 3."""
    frames = make_frames(3)
    labels = np.where(frames.labels == Label.LV_MYO, np.uint8(0), frames.labels)
    return make_camus(tmp_path / "gaps", replace(frames, labels=labels), None)


@pytest.fixture
def pngs(make_frames, tmp_path):
    """Maps whose spacing nobody knows."""
    folder, frames = tmp_path / "pngs", make_frames(2)
    folder.mkdir()
    for patient, phase, labels in zip(frames.patient, frames.phase, frames.labels, strict=True):
        imsave(folder / f"{patient}_4CH_{phase}.png", labels, check_contrast=False)
    return folder


def read(path):
    """Pixels and spacing, as nnU-Net's readers have them."""
    if path.suffix == ".png":
        return imread(path), (1, 1)
    image = sitk.ReadImage(str(path))
    return sitk.GetArrayFromImage(image), image.GetSpacing()


def broken_rules(folder):
    """Those of nnU-Net's dataset_format.md that a folder breaks."""
    said = json.loads((folder / "dataset.json").read_text())
    ending, labels = said["file_ending"], said["labels"]
    images = sorted(path.name for path in (folder / "imagesTr").iterdir())
    maps = sorted(path.name for path in (folder / "labelsTr").iterdir())
    broken = []
    if not {"channel_names", "labels", "numTraining", "file_ending"} <= said.keys():
        broken.append("a key is missing")
    if ending not in (".png", ".nii.gz") or not all(re.fullmatch(r".+_0000" + re.escape(ending), i) for i in images):
        broken.append("names of images")
    if list(said["channel_names"]) != ["0"] or len(images) != said["numTraining"]:
        broken.append("number of images")
    if maps != [image.replace("_0000", "") for image in images]:
        broken.append("a map for each image")
    if labels["background"] != 0 or sorted(labels.values()) != list(range(len(labels))):
        broken.append("values of labels are not consecutive")
    for image, labelled in zip(images, maps, strict=True):
        (pixels, spacing), (codes, theirs) = read(folder / "imagesTr" / image), read(folder / "labelsTr" / labelled)
        if pixels.shape != codes.shape or not np.allclose(spacing, theirs):
            broken.append(f"geometry of {image}")
        if not set(np.unique(codes)) <= set(labels.values()):
            broken.append(f"values of {labelled}")
    return broken


def test_the_verb_writes_a_dataset_of_the_images_that_it_draws(checkpoint, camus_folder, tmp_path):
    out = tmp_path / NAME
    words = ["generate", "--checkpoint", checkpoint, "--maps", camus_folder, "--out", out, "--layout", "nnunet"]
    result = CliRunner().invoke(main, [str(word) for word in (*words, "--repeats", 2, "--device", "cpu")])
    assert result.exit_code == 0, result.output
    assert broken_rules(out) == []
    generate(checkpoint, camus_folder, tmp_path / "ours", repeats=2)
    drawn = find_frames(tmp_path / "ours")
    assert len(drawn) == len(list((out / "imagesTr").iterdir())) == 20
    for files in drawn:
        case = f"{files.patient}_4CH_{files.phase}"
        for ours, theirs in ((files.image, f"imagesTr/{case}_0000"), (files.truth, f"labelsTr/{case}")):
            found, wanted = read_image(out / f"{theirs}.nii.gz"), read_image(ours)
            np.testing.assert_array_equal(found.pixels, wanted.pixels)
            assert found.spacing_mm == wanted.spacing_mm
    assert not (tmp_path / "ours" / "dataset.json").exists()
    assert "layout" not in json.loads((tmp_path / "ours" / ORIGIN).read_text())


def test_a_gap_in_our_codes_is_closed_and_the_labels_are_named(checkpoint, wall_less, tmp_path):
    out = tmp_path / NAME
    generate(checkpoint, wall_less, out, layout="nnunet")
    assert broken_rules(out) == []
    labels = json.loads((out / "dataset.json").read_text())["labels"]
    assert labels == {"background": 0, "lv_endo": 1, "la": 2}
    generate(checkpoint, wall_less, tmp_path / "ours")
    for files in find_frames(tmp_path / "ours"):
        theirs, _ = read(out / "labelsTr" / f"{files.patient}_4CH_{files.phase}.nii.gz")
        ours = read_image(files.truth).pixels
        np.testing.assert_array_equal(theirs, np.select([ours == Label.LV_ENDO, ours == Label.LA], [1, 2], 0))


def test_maps_without_spacing_become_pngs(checkpoint, pngs, tmp_path):
    out = tmp_path / NAME
    assert generate(checkpoint, pngs, out, layout="nnunet") == 4
    assert broken_rules(out) == []
    assert json.loads((out / "dataset.json").read_text())["file_ending"] == ".png"


def test_no_patient_is_on_both_sides_of_a_fold(checkpoint, camus_folder, tmp_path):
    out = tmp_path / NAME
    generate(checkpoint, camus_folder, out, repeats=2, layout="nnunet")
    folds = json.loads((out / "splits_final.json").read_text())
    patients = {f"{row.name}_{row.view}H_{row.phase}": row.patient for row in read_manifest(out)}
    assert len(folds) == 5
    for fold in folds:
        assert sorted(fold["train"] + fold["val"]) == sorted(patients)
        assert not {patients[case] for case in fold["train"]} & {patients[case] for case in fold["val"]}
    assert sorted(case for fold in folds for case in fold["val"]) == sorted(patients)


def test_a_dataset_that_was_cut_short_has_no_dataset_json_and_goes_on(checkpoint, camus_folder, tmp_path):
    whole, cut = tmp_path / "whole" / NAME, tmp_path / "cut" / NAME
    generate(checkpoint, camus_folder, whole, layout="nnunet")
    shutil.copytree(whole, cut)
    (cut / "dataset.json").unlink()
    manifest = cut / "manifest.csv"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:4]))
    sorted((cut / "labelsTr").iterdir())[0].write_bytes(b"")  # what a full disk leaves

    class Killed(Exception):
        pass

    def kill(done, total, figures=None):
        if done >= 8:
            raise Killed

    with pytest.raises(Killed):
        generate(checkpoint, camus_folder, cut, layout="nnunet", progress=kill)
    assert not (cut / "dataset.json").exists()
    generate(checkpoint, camus_folder, cut, layout="nnunet")
    for path in (path for path in whole.rglob("*") if path.is_file() and path.name != ".lock"):
        assert (cut / path.relative_to(whole)).read_bytes() == path.read_bytes(), path


def test_what_nnunet_would_not_find_or_we_do_not_write_is_a_sentence(checkpoint, camus_folder, tmp_path):
    with pytest.raises(EchobenchError, match=r"in a folder called drawn: end --out with Dataset, a number of three"):
        generate(checkpoint, camus_folder, tmp_path / "drawn", layout="nnunet")
    with pytest.raises(EchobenchError, match="unknown layout 'nnu'; known: camus, nnunet"):
        generate(checkpoint, camus_folder, tmp_path / NAME, layout="nnu")
    assert not (tmp_path / "drawn").exists() and not (tmp_path / NAME).exists()
    generate(checkpoint, camus_folder, tmp_path / NAME)
    with pytest.raises(EchobenchError, match="holds other images: layout is"):
        generate(checkpoint, camus_folder, tmp_path / NAME, layout="nnunet")


@pytest.mark.parametrize("maps", ["camus_folder", "wall_less", "pngs"])
def test_its_own_check_finds_no_fault(maps, checkpoint, request, tmp_path, capfd):
    theirs = pytest.importorskip("nnunetv2.experiment_planning.verify_dataset_integrity")
    generate(checkpoint, request.getfixturevalue(maps), tmp_path / NAME, layout="nnunet")
    theirs.verify_dataset_integrity(str(tmp_path / NAME), 1)
    said = capfd.readouterr().out
    assert "verify_dataset_integrity Done" in said and "Error" not in said and "Warning" not in said
