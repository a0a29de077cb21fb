"""`--images N`: so many training images in all, those of a smaller number among those of a larger one."""

import pytest

from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.data.base.errors import EchobenchError
from echobench.data.store import read_manifest

pytestmark = pytest.mark.usefixtures("tiny")
BUDGET = ("unet.steps=1", "unet.validation_every_steps=1")


def settings_for(folder, generator="paint", **changes):
    return resolve(generator=generator, view="4C", data=str(folder), preset="tiny", assignments=BUDGET, **changes)


def origins(folder, subset="training-4C"):
    """Source, deformation and image of every drawn frame."""
    rows = read_manifest(folder / "synthetic" / subset)
    return {(row.name, row.deformation_seed, row.sample_seed, row.image_sha256) for row in rows}


def test_images_of_a_smaller_number_are_among_those_of_a_larger_one(camus_folder, tmp_path):
    for images in (None, 4, 6, 9):
        record, _ = run(settings_for(camus_folder, images=images), tmp_path / str(images))
        assert record.training_images == (images or 6) == len(origins(tmp_path / str(images)))
    assert origins(tmp_path / "4") < origins(tmp_path / "6") < origins(tmp_path / "9")
    assert origins(tmp_path / "6") == origins(tmp_path / "None")  # what the preset draws
    validation = {frozenset(origins(tmp_path / name, "validation-4C")) for name in ("None", "4", "9")}
    assert len(validation) == 1


def test_they_are_counted_over_all_views(tmp_path):
    for images in (1, 40):
        settings = resolve(generator="paint", view="all", preset="tiny", images=images, assignments=BUDGET)
        record, _ = run(settings, tmp_path / str(images))
        drawn = [len(origins(tmp_path / str(images), f"training-{view}")) for view in ("2C", "4C")]
        assert record.training_images == sum(drawn) == images
    assert min(drawn) >= 16  # every frame once


def test_real_frames_are_a_subset(camus_folder, tmp_path):
    record, _ = run(settings_for(camus_folder, "real", images=4), tmp_path / "out")
    assert record.training_images == 4
    assert record.settings["images"] == 4
    assert "maps.images" not in "".join(record.deviations)
    with pytest.raises(EchobenchError, match="images is 7, but real has 6 training frames and draws no others"):
        run(settings_for(camus_folder, "real", images=7), tmp_path / "more")


def test_identity_and_deviations(camus_folder):
    preset, few = settings_for(camus_folder), settings_for(camus_folder, images=4)
    assert "images" not in preset.identity()  # as that of a run of before the option
    assert preset.slug() != few.slug()
    assert "maps.images: 4 in all, paper 5 of every frame" in few.deviations()
    with pytest.raises(EchobenchError, match="images is 0"):
        settings_for(camus_folder, images=0)


def test_one_phase_alone(camus_folder, tmp_path):
    record, scores = run(settings_for(camus_folder, phase="ED"), tmp_path / "ED")
    assert {row.phase for row in read_manifest(tmp_path / "ED" / "synthetic" / "training-4C")} == {"ED"}
    assert set(scores["phase"]) == {"ED"}
    assert record.training_images == 3
    assert "-4C-ED-" in settings_for(camus_folder, phase="ED").slug()
    with pytest.raises(EchobenchError, match="unknown phase 'diastole'; known: ED, ES, all"):
        settings_for(camus_folder, phase="diastole")
