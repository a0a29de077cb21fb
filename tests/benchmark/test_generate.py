"""`echobench generate`: any number of images for label maps, again after a kill, and with bad input."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from skimage.io import imsave

from echobench.benchmark import generate as module
from echobench.benchmark.cli.entry import main
from echobench.benchmark.generate import find_maps, generate, read_map
from echobench.benchmark.run import drawing, pipeline, settings
from echobench.benchmark.run.settings import resolve
from echobench.data.base.errors import EchobenchError
from echobench.data.base.saved import write_saved
from echobench.data.datasets.camus import find_frames, read_frame
from echobench.data.datasets.medical_image import write_image
from echobench.data.datasets.registry import read_dataset
from echobench.data.frames import concatenate
from echobench.data.maps import label_maps
from echobench.data.splits import read_split_files
from echobench.data.store import read_manifest
from echobench.generators.cyclegan import CycleGan, CycleGanSettings
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.sampling import SamplingSettings
from echobench.generators.diffusion.schedule import ScheduleSettings
from echobench.generators.diffusion.training import TrainingSettings
from echobench.generators.paint import Paint, PaintSettings
from echobench.generators.sdm import SdmSettings, SemanticDiffusion
from echobench.generators.translation.network import TranslatorSettings
from echobench.generators.translation.training import CycleSettings
from echobench.segmentation.training import train

SIZE = (32, 32)
SETTINGS = SdmSettings(
    schedule=ScheduleSettings(),
    network=NetworkSettings(patch=4, channels=(8,), attention=(False,), map_channels=8),
    training=TrainingSettings(steps=1, batch=2, precision="32-true"),
    sampling=SamplingSettings(steps=2, batch=4),
)


@pytest.fixture
def checkpoint(make_frames, tmp_path):
    path = tmp_path / "generator-4C.pt"
    SemanticDiffusion(SETTINGS).fit(make_frames(2), 0).save(path)
    return path


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(drawing, "CHUNK", 4)


def test_the_verb_writes_a_camus_folder_with_a_manifest(checkpoint, camus_folder, tmp_path):
    arguments = ["generate", "--checkpoint", checkpoint, "--maps", camus_folder, "--out", tmp_path / "out"]
    result = CliRunner().invoke(main, [str(a) for a in (*arguments, "--repeats", 2, "--device", "cpu")])
    assert result.exit_code == 0, result.output
    assert "20 images" in result.output
    rows = read_manifest(tmp_path / "out")
    assert len(rows) == 20 and [row.repeat for row in rows] == [0, 1] * 10
    frame = read_frame(find_frames(tmp_path / "out")[0], SIZE)
    assert frame.spacing_mm == pytest.approx((0.5, 0.4)) and not frame.image[~frame.sector].any()


def test_any_generator_draws_whose_file_says_its_size_and_views(camus_folder, make_frames, tmp_path):
    training = CycleSettings(steps=1, batch=2, checkpoint_seconds=0.0)
    network = TranslatorSettings(channels=8, halvings=1, blocks=1, discriminator_channels=4)
    painter = CycleGan(CycleGanSettings(network, training)).fit(make_frames(2), 0)
    painter.save(tmp_path / "cyclegan.pt")
    assert generate(tmp_path / "cyclegan.pt", camus_folder, tmp_path / "out", strength=0) == 10
    assert len(find_frames(tmp_path / "out")) == 10
    Paint(PaintSettings()).fit(make_frames(2), 0).save(tmp_path / "paint.pt")
    with pytest.raises(EchobenchError, match="is of paint, which does not say what size and views it draws"):
        generate(tmp_path / "paint.pt", camus_folder, tmp_path / "refused")


def test_the_maps_are_those_of_a_run(checkpoint, camus_folder, make_frames, tmp_path):
    generate(checkpoint, camus_folder, tmp_path / "out", repeats=2, seed=3)
    seeds = [row.deformation_seed for row in read_manifest(tmp_path / "out")]
    assert len(set(seeds)) == len(seeds)
    sector = np.array([read_frame(files, SIZE).sector for files in find_frames(camus_folder)])  # as it is read
    frames = replace(make_frames(5), sector=sector, source=np.array(["maps"] * 10))
    wanted = label_maps(frames, strength=1, repeats=2, seed=3)
    np.testing.assert_array_equal(seeds, wanted.deformation.seed)
    for stored, labels in zip(find_frames(tmp_path / "out")[:2], wanted.labels[[0, 2]], strict=True):
        np.testing.assert_array_equal(read_frame(stored, SIZE).labels, labels)  # patient0001-0, ED and ES


def test_an_interrupted_call_goes_on_at_the_first_missing_image(checkpoint, camus_folder, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def kill(done, total, figures=None):
        if done >= 4:
            raise Killed

    generate(checkpoint, camus_folder, tmp_path / "whole", repeats=2)
    with pytest.raises(Killed):
        generate(checkpoint, camus_folder, tmp_path / "cut", repeats=2, progress=kill)
    manifest = tmp_path / "cut" / "manifest.csv"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:4]))  # three rows: within a chunk
    drawn = []
    sample = SemanticDiffusion.sample

    def counting(self, maps, seeds, **options):
        drawn.append(len(maps))
        return sample(self, maps, seeds, **options)

    monkeypatch.setattr(SemanticDiffusion, "sample", counting)
    generate(checkpoint, camus_folder, tmp_path / "cut", repeats=2)
    assert sum(drawn) == 20 and max(drawn) == 4  # the three are drawn again, as every batch is drawn whole
    assert manifest.read_bytes() == (tmp_path / "whole" / "manifest.csv").read_bytes()


def test_a_folder_that_was_begun_with_other_maps_is_refused(checkpoint, camus_folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(camus_folder, other)
    path = next(other.rglob("*_gt.nii.gz"))
    path.write_bytes(next(path for path in reversed(sorted(other.rglob("*_gt.nii.gz")))).read_bytes())
    generate(checkpoint, camus_folder, tmp_path / "out")
    with pytest.raises(EchobenchError, match=r"holds other images: maps_sha256 is"):
        generate(checkpoint, other, tmp_path / "out")


def test_memory_does_not_grow_with_the_repeats(checkpoint, camus_folder, tmp_path, monkeypatch):
    generate(checkpoint, camus_folder, tmp_path / "few", repeats=2)
    in_memory = []
    sample = SemanticDiffusion.sample

    def counting(self, maps, seeds, **options):
        in_memory.append((len(maps), len(maps.source)))
        return sample(self, maps, seeds, **options)

    monkeypatch.setattr(SemanticDiffusion, "sample", counting)
    generate(checkpoint, camus_folder, tmp_path / "many", repeats=6)
    assert np.array(in_memory).max(axis=0).tolist() == [4, 2]  # maps of a chunk, frames that they are of
    few, many = ({row.name: row for row in read_manifest(tmp_path / name)} for name in ("few", "many"))
    assert len(many) == 6 * 5
    assert all(many[name].deformation_seed == few[name].deformation_seed for name in few)
    assert few.keys() < many.keys()


def test_pngs_and_maps_without_images(checkpoint, make_frames, tmp_path):
    frames, pngs = make_frames(1), tmp_path / "pngs"
    pngs.mkdir()
    codes = np.where(frames.sector[0] | (frames.labels[0] > 0), frames.labels[0], 255).astype(np.uint8)
    imsave(pngs / "patient0001_4CH_ED.png", codes, check_contrast=False)
    read = read_map(find_maps(pngs)[0], SIZE)
    np.testing.assert_array_equal(read.labels, frames.labels[0])
    assert generate(checkpoint, pngs, tmp_path / "out") == 1
    only = tmp_path / "labels" / "patient0001"
    only.mkdir(parents=True)
    write_image(only / "patient0001_4CH_ED_gt.nii.gz", frames.labels[0], (0.5, 0.4))
    with pytest.raises(EchobenchError, match="neither an image nor"):
        generate(checkpoint, tmp_path / "labels", tmp_path / "out2")
    write_image(only / "patient0001_4CH_ED_sector.nii.gz", frames.sector[0].astype(np.uint8), (0.5, 0.4))
    np.testing.assert_array_equal(read_map(find_maps(tmp_path / "labels")[0], SIZE).sector, frames.sector[0])


def test_a_derived_subset_is_that_of_a_run_where_patients_share_an_image(camus_folder):
    shutil.rmtree(camus_folder / "database_split")
    images = camus_folder / "database_nifti"
    shutil.copyfile(
        images / "patient0001" / "patient0001_4CH_ED.nii.gz", images / "patient0005" / "patient0005_4CH_ED.nii.gz"
    )
    for seed in range(6):
        drawn = module._of_subsets(find_maps(camus_folder), camus_folder, ["testing"], seed, (32, 32))
        assert {files.patient for files in drawn} == set(
            read_dataset(camus_folder, size=(32, 32), seed=seed).split.testing
        )


def test_a_subset_of_pngs_needs_a_split_that_says_whose_they_are(checkpoint, make_frames, tmp_path):
    pngs = tmp_path / "pngs"
    (pngs / "database_split").mkdir(parents=True)
    for name in ("patient0001", "patient0002", "patient0003"):
        imsave(pngs / f"{name}_4CH_ED.png", make_frames(1).labels[0], check_contrast=False)
    with pytest.raises(EchobenchError, match="has PNGs and no database_split to say whose: --subset needs it"):
        generate(checkpoint, pngs, tmp_path / "out", subsets=["training"])
    for number, subset in enumerate(("training", "validation", "testing"), start=1):
        (pngs / "database_split" / f"subgroup_{subset}.txt").write_text(f"patient000{number}")
    assert generate(checkpoint, pngs, tmp_path / "out", subsets=["training"]) == 1


def test_bad_input_is_a_sentence(checkpoint, camus_folder, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(EchobenchError, match=r"there is no folder .*nowhere of label maps"):
        generate(checkpoint, tmp_path / "nowhere", out)
    with pytest.raises(EchobenchError, match="repeats is 0"):
        generate(checkpoint, camus_folder, out, repeats=0)
    pngs = tmp_path / "pngs"
    pngs.mkdir()
    imsave(pngs / "heart.png", np.zeros(SIZE, dtype=np.uint8), check_contrast=False)
    with pytest.raises(EchobenchError, match="must be called like"):
        generate(checkpoint, pngs, out)
    (pngs / "heart.png").rename(pngs / "p_2CH_ES.png")
    with pytest.raises(EchobenchError, match="has maps of 2C, and the generator has learnt 4C"):
        generate(checkpoint, pngs, out)
    (pngs / "p_2CH_ES.png").rename(pngs / "p_4CH_ES.png")
    imsave(pngs / "p_4CH_ES.png", np.full(SIZE, 7, dtype=np.uint8), check_contrast=False)
    with pytest.raises(EchobenchError, match="with the values 0, 1, 2, 3, 255 alone"):
        generate(checkpoint, pngs, out)
    generate(checkpoint, camus_folder, tmp_path / "other")
    with pytest.raises(EchobenchError, match="seed is 0, not 1"):
        generate(checkpoint, camus_folder, tmp_path / "other", seed=1)


def test_of_two_views_that_which_it_has_learnt_is_drawn(checkpoint, make_frames, make_camus, tmp_path):
    one = make_frames(2)
    maps = make_camus(tmp_path / "both", concatenate([one, replace(one, view=np.full(len(one), "2C"))]), None)
    assert generate(checkpoint, maps, tmp_path / "out") == len(one)
    assert {row.view for row in read_manifest(tmp_path / "out")} == {"4C"}


def test_what_a_full_disk_left_empty_is_drawn_again(checkpoint, camus_folder, tmp_path):
    n = generate(checkpoint, camus_folder, tmp_path / "out")
    whole = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.nii.gz")}
    sorted(whole)[3].write_bytes(b"")
    assert generate(checkpoint, camus_folder, tmp_path / "out") == n
    assert {path: path.read_bytes() for path in whole} == whole


def test_a_training_is_not_a_generator(make_frames, camus_folder, tmp_path):
    SemanticDiffusion(SETTINGS).fit(make_frames(2), 0, folder=tmp_path / "fit")
    with pytest.raises(EchobenchError, match="a training under way"):
        generate(tmp_path / "fit" / "training.pt", camus_folder, tmp_path / "out")


def test_a_folder_to_train_on_leaves_out_who_tests(checkpoint, camus_folder, tmp_path):
    testing = set(read_split_files(camus_folder).testing)
    generate(checkpoint, camus_folder, tmp_path / "all")
    generate(checkpoint, camus_folder, tmp_path / "some", subsets=["training", "validation"])
    everybody, drawn = ({row.patient for row in read_manifest(tmp_path / name)} for name in ("all", "some"))
    assert drawn == everybody - testing and testing <= everybody
    with pytest.raises(EchobenchError, match="unknown subset 'train'; known: training, validation, testing"):
        generate(checkpoint, camus_folder, tmp_path / "none", subsets=["train"])
    with pytest.raises(EchobenchError, match="subsets"):
        generate(checkpoint, camus_folder, tmp_path / "some")


# With the generators of a run


@pytest.fixture
def both(make_frames, make_camus, tmp_path):
    """A CAMUS folder with both views of five patients."""
    one = make_frames(5)
    two = replace(one, view=np.full(len(one), "2C"))
    return make_camus(tmp_path / "both", concatenate([one, two]), (3, 1, 1))


@pytest.fixture
def run_of(tmp_path, tiny):
    """Carries out a tiny run, of which nothing but the generators and what they drew is needed."""

    def run(generator, data, view="4C", assignments=()):
        settings = resolve(generator=generator, view=view, data=str(data), preset="tiny", assignments=assignments)
        folder = tmp_path / settings.slug()
        with pipeline.opened(settings, folder):
            asked = {"device": "cpu", "generator_from": None, "report": lambda stage: lambda *told: None}
            pipeline.train_generators(settings, folder, **asked)
        return folder

    return run


def pixels(folder):
    """Every image that was drawn, by name."""
    return {row.name + row.view + row.phase: row.image_sha256 for row in read_manifest(folder)}


def test_a_run_draws_what_its_file_draws(run_of, camus_folder, tmp_path):
    run = run_of("sdm", camus_folder)
    words = ["generate", "--run", run, "--maps", camus_folder, "--out", tmp_path / "run", "--device", "cpu"]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    assert "10 images" in result.output
    generate(run / "stages" / "generator-4C.pt", camus_folder, tmp_path / "file")
    assert pixels(tmp_path / "run") == pixels(tmp_path / "file")
    origin = json.loads((tmp_path / "run" / module.ORIGIN).read_text())
    assert origin["generator"] == "sdm" and list(origin["weights_sha256"]) == ["4C"]


def test_every_view_of_a_run_is_drawn_or_the_one_that_is_named(run_of, both, camus_folder, tmp_path):
    run = run_of("paint", both, view="all")
    assert generate(run, both, tmp_path / "all") == 20
    assert [row.view for row in read_manifest(tmp_path / "all")] == ["2C"] * 10 + ["4C"] * 10
    assert generate(run, both, tmp_path / "two", view="2C") == 10
    assert generate(run, camus_folder, tmp_path / "four") == 10, "of the views that there are maps of"
    everything = pixels(tmp_path / "all")
    assert pixels(tmp_path / "two").items() | pixels(tmp_path / "four").items() <= everything.items()
    with pytest.raises(EchobenchError, match="has maps of 4C, and the generator has learnt 2C"):
        generate(run, camus_folder, tmp_path / "none", view="2C")
    with pytest.raises(EchobenchError, match=r"unknown view of .* '2C'; known: 4C"):
        generate(run_of("paint", camus_folder), both, tmp_path / "none", view="2C")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("rows", [3, 10, 17])
def test_two_views_go_on_wherever_they_were_killed(run_of, both, tmp_path, rows):
    run = run_of("sdm", both, view="all")
    generate(run, both, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    manifest = tmp_path / "cut" / "manifest.csv"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[: rows + 1]))
    assert generate(run, both, tmp_path / "cut") == 20
    assert manifest.read_bytes() == (tmp_path / "whole" / "manifest.csv").read_bytes()


def test_who_changes_real_images_gets_them_with_the_maps(run_of, camus_folder, make_frames, tmp_path):
    run = run_of("warp", camus_folder)
    assert generate(run, camus_folder, tmp_path / "out", strength=0) == 10
    for source, drawn in zip(find_frames(camus_folder), find_frames(tmp_path / "out"), strict=True):
        frame = read_frame(source, SIZE)
        np.testing.assert_array_equal(read_frame(drawn, SIZE).image, np.where(frame.sector, frame.image, 0))
    pngs = tmp_path / "pngs"
    pngs.mkdir()
    imsave(pngs / "patient0001_4CH_ED.png", make_frames(1).labels[0], check_contrast=False)
    with pytest.raises(EchobenchError, match=r"changes the images behind the maps, and there is none beside .*ED\.png"):
        generate(run, pngs, tmp_path / "refused")
    assert not (tmp_path / "refused").exists()


def test_a_folder_that_has_no_generator_says_what_it_is(run_of, camus_folder, tmp_path):
    real, out = run_of("real", camus_folder), tmp_path / "out"
    with pytest.raises(EchobenchError, match="has no generator: real is ready-made frames, and draws none"):
        generate(real, camus_folder, out)
    with pytest.raises(EchobenchError, match="camus holds no run; name the folder of one"):
        generate(camus_folder, camus_folder, out)
    begun = run_of("paint", camus_folder)
    (begun / "stages" / "fit-4C.stage.json").unlink()
    with pytest.raises(EchobenchError, match="keeps no trained generator for 4C"):
        generate(begun, camus_folder, out)
    (begun / "stress.json").touch()
    with pytest.raises(EchobenchError, match="is the folder of a stress, which keeps no generator"):
        generate(begun, camus_folder, out)
    assert not out.exists()


def test_a_file_that_is_no_generator_says_what_it_is(run_of, camus_folder, make_frames, tmp_path):
    frames, unet = make_frames(2), tmp_path / "unet.pt"
    segmenter, _ = train(frames, frames, settings.UNET_PRESETS["tiny"], 0)
    segmenter.save(unet)
    warp, paint = (run_of(name, camus_folder) / "stages" / "generator-4C.pt" for name in ("warp", "paint"))
    for path, sentence in (
        (unet, "unet.pt is a U-Net, not a generator's file"),
        (warp, "is of a generator without weights, or empty: give the run's folder to --run"),
        (paint, "is of paint, which does not say what size and views it draws: give the run's folder to --run"),
    ):
        with pytest.raises(EchobenchError, match=sentence):
            generate(path, camus_folder, tmp_path / "out")
    write_saved(unet, {"best_weights": {}, "step": 3})
    with pytest.raises(EchobenchError, match=r"unet.pt is the training of a U-Net under way, not a generator's file"):
        generate(unet, camus_folder, tmp_path / "out")
    write_saved(unet, {"format": 1, "generator": "theirs", "settings": {}})
    with pytest.raises(EchobenchError, match="is of theirs, which is not installed here: give the run's folder"):
        generate(unet, camus_folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
