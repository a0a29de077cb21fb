"""Small valid inputs of every kind, and who reads them: the table `KINDS`."""

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
import torch
from PIL import Image

from echobench.benchmark.generate import generate
from echobench.benchmark.measure.verify import verify_folder
from echobench.benchmark.run.overrides import overridden
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.run.trained import first_unet, kept_generator
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256
from echobench.data.datasets.camus import find_frames, read_clinical, read_frame, split_of
from echobench.data.datasets.dataset import Asked
from echobench.data.datasets.echonet.writing import TRACINGS, Video, tracing, write_echonet
from echobench.data.datasets.folder import fingerprint_of, read_folder
from echobench.data.datasets.medical_image import read_image
from echobench.data.datasets.registry import check_dataset, reader_called
from echobench.data.frames import Frames
from echobench.data.labels import Label
from echobench.data.maps import undeformed_maps
from echobench.generators.cyclegan import CycleGan, CycleGanSettings
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.sampling import SamplingSettings
from echobench.generators.diffusion.schedule import ScheduleSettings
from echobench.generators.diffusion.training import TrainingSettings
from echobench.generators.folder import Folder, FolderSettings
from echobench.generators.paint import Paint
from echobench.generators.registry import generator_class, listed, names
from echobench.generators.sdm import STANDARD, SdmSettings, SemanticDiffusion
from echobench.generators.trained import load_trained
from echobench.generators.translation.network import TranslatorSettings
from echobench.generators.translation.training import CycleSettings
from echobench.results.evidence import statistics
from echobench.results.evidence.adherence import decay
from echobench.results.evidence.comparison import Comparison, Group
from echobench.results.evidence.sweep import sweeps
from echobench.results.records.beside import MEASURED as BESIDE
from echobench.results.records.cross import read_cross, write_cross
from echobench.results.records.ejection import EJECTION
from echobench.results.records.files import OF_FILES, OF_SCORES, SEAL, write_sealed
from echobench.results.records.patients import PATIENTS
from echobench.results.records.realism import CURVES, REALISM
from echobench.results.records.run import FailedRun, read_record, write_failed, write_record
from echobench.results.records.stress import read_stress, write_stress
from echobench.results.report.provenance import provenance
from echobench.results.shown.agreement import number_figure
from echobench.results.shown.cross import cross_tables
from echobench.results.shown.ejection import ejection_tables
from echobench.results.shown.overview import overview_table
from echobench.results.shown.realism import realism_tables
from echobench.results.shown.stress_tables import ladder_table
from echobench.results.shown.subgroups import subgroup_tables
from echobench.results.shown.sweep import best_table, cell_table
from echobench.results.shown.tables import cost_table, missed_table, region_table
from echobench.segmentation import training as unet_training
from echobench.segmentation.segmenter import Segmenter
from echobench.segmentation.settings import PRESETS, UNetSettings
from tests.conftest import toy_frames, write_camus

MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured"
SIDE = 32
SDM = SdmSettings(
    schedule=ScheduleSettings(shift=1.0),
    network=NetworkSettings(patch=8, channels=(16, 16), map_channels=16),
    training=TrainingSettings(
        steps=2, batch=2, muon_rate=0.02, warmup_steps=1, precision="32-true", checkpoint_seconds=0.0
    ),
    sampling=SamplingSettings(steps=1, batch=2),
)
CYCLEGAN = CycleGanSettings(
    network=TranslatorSettings(channels=4, halvings=1, blocks=1, discriminator_channels=4),
    training=CycleSettings(steps=2, batch=1, history=1, checkpoint_seconds=0.0),
)
UNET = UNetSettings(channels=(2, 4), image_size_px=SIDE, batch_size=2, epochs=None, steps=2, validation_every_steps=1)


@dataclass(frozen=True)
class Kind:
    """An input. make: writes it into an empty folder. files: pattern of those that are changed. read: its reader.
    sealed: writes the hashes anew, as an editor does who knows them."""

    name: str
    make: Callable[[Path], object]
    files: str
    read: Callable[[Path], object]
    sealed: Callable[[Path], None] = lambda folder: None


def _require(condition: object, what: str) -> None:
    """What was read must be what it can be."""
    if not condition:
        raise AssertionError(what)


def _require_sound(frames: Frames) -> None:
    _require(frames.images.dtype == frames.labels.dtype == np.uint8, "pixels are of another type")
    _require(np.isin(frames.labels, [int(label) for label in Label]).all(), "labels that there are not")
    known = frames.spacing_mm[~np.isnan(frames.spacing_mm)]
    _require((np.isfinite(known) & (known > 0)).all(), f"spacing {frames.spacing_mm.tolist()}")


# Datasets


def _frames() -> Frames:
    return toy_frames(3, SIDE)


def _camus(folder: Path, patients: int = 3, split: tuple[int, int, int] | None = None) -> Path:
    return write_camus(folder, toy_frames(patients, SIDE), split)


def _read_camus(folder: Path) -> None:
    for files in find_frames(folder):
        spacing = read_frame(files, (SIDE, SIDE)).spacing_mm
        _require(all(np.isfinite(mm) and mm > 0 for mm in spacing), f"spacing {spacing}")
    check_dataset(folder, "camus")


def _write_meta(folder: Path) -> None:
    frames, place = _frames(), folder / "training" / "patient0001"
    place.mkdir(parents=True)
    for ending in (".mhd", ".mha"):
        for suffix, pixels in (("", frames.images[0]), ("_gt", frames.labels[0])):
            sitk.WriteImage(sitk.GetImageFromArray(pixels), str(place / f"patient0001_4CH_ED{suffix}{ending}"))


def _read_meta(folder: Path) -> None:
    for path in sorted(folder.rglob("*.mha")):
        read_image(path)
    _read_camus(folder)


def _write_drawn(folder: Path) -> None:
    frames, lines = _frames(), ["image,labels,patient,view,phase"]
    for i in range(0, len(frames), 2):
        for kind, pixels in (("image", frames.images[i]), ("map", frames.labels[i])):
            Image.fromarray(pixels).save(folder / f"{kind}{i}.png")
        lines.append(f"image{i}.png,map{i}.png,{frames.patient[i]},4C,ED")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")


def _read_drawn(folder: Path) -> None:
    _require_sound(read_folder(folder, None, size=(SIDE, SIDE)).frames)
    fingerprint_of(folder)


def _write_info(folder: Path) -> None:
    place = folder / "database_nifti" / "patient0001"
    place.mkdir(parents=True)
    lines = "ED: 1\nES: 18\nNbFrame: 18\nSex: F\nAge: 56\nImageQuality: Good\nEF: 46.5\nFrameRate: 54.2\nLVedv: 94.3\n"
    (place / "Info_4CH.cfg").write_text(lines)


def _read_info(folder: Path) -> None:
    numbers = read_clinical(folder)[["ef_percent", "edv_ml", "esv_ml", "age_years"]].astype(float)
    _require(((numbers >= 0) | numbers.isna()).all(axis=None), f"{numbers.to_dict()}")


def _read_split(folder: Path) -> None:
    split = split_of(folder, find_frames(folder), 0)
    _require(split.training and split.validation and split.testing, "a subset without patients")


def _write_videos(folder: Path) -> None:
    frames = _frames()
    write_echonet(
        folder,
        [
            Video(
                f"0X{i}", frames.images[2 * i : 2 * i + 2], 50.0, split,
                {j: tracing(frames.labels[2 * i + j] == Label.LV_ENDO) for j in (0, 1)}, 55.0, 40.0, 90.0,
            )
            for i, split in enumerate(("TRAIN", "VAL", "TEST"))
        ],
    )  # fmt: skip
    (folder / TRACINGS).touch()


def _read_videos(folder: Path) -> None:
    with suppress(EchobenchError):
        check_dataset(folder, "echonet")
    _require_sound(reader_called("echonet").read(folder, Asked(size=(SIDE, SIDE))).frames)


def _write_cache(folder: Path) -> None:
    _camus(folder / "camus")
    _write_videos_below(folder / "echonet")
    _read_cached(folder)


def _write_videos_below(folder: Path) -> None:
    folder.mkdir()
    _write_videos(folder)


def _read_cached(folder: Path) -> None:
    """Whatever a cache entry holds, the frames are those of the data set."""
    with _environment(ECHOBENCH_CACHE=str(folder / "cache")):
        for name in ("camus", "echonet"):
            read = reader_called(name).read(folder / name, Asked(size=(SIDE, SIDE))).frames.fingerprint()
            kept = folder / f"{name}.txt"
            if not kept.is_file():
                kept.write_text(read)
            _require(kept.read_text() == read, f"other frames of {name}")


# What is trained


def _train(backend: type[SemanticDiffusion | CycleGan], settings: object) -> Callable[[Path], None]:
    def train(folder: Path) -> None:
        fitted = backend(settings).fit(toy_frames(1, SIDE), 0, folder=folder)
        _require_finite(fitted.network.state_dict().values(), "weights")
        _require([row["step"] for row in fitted.curve.to_dict("records")] == [2], "another curve")

    return train


def _require_finite(tensors: object, what: str) -> None:
    _require(all(bool(torch.isfinite(one).all()) for one in tensors), what)  # type: ignore[attr-defined]


def _train_unet(folder: Path) -> None:
    frames = toy_frames(1, SIDE)
    segmenter, curves = unet_training.train(frames, frames, UNET, 0, checkpoint=folder / "unet.checkpoint")
    _require_finite(segmenter.network.state_dict().values(), "weights")
    _require(curves["step"].tolist() == [1, 2], "another curve")


def _write_generators(folder: Path) -> None:
    frames = toy_frames(1, SIDE)
    for name, generator in (("sdm", SemanticDiffusion(SDM)), ("cyclegan", CycleGan(CYCLEGAN))):
        generator.fit(frames, 0).save(folder / f"{name}.pt")
    Paint(Paint.presets["quick"]).fit(frames, 0).save(folder / "paint.pt")
    Folder(FolderSettings("a" * 64)).save(folder / "folder.json")


def _read_generators(folder: Path) -> None:
    maps, seeds = undeformed_maps(toy_frames(1, SIDE)), np.zeros(2, dtype=np.int64)
    Folder.load(folder / "folder.json")
    Paint.load(folder / "paint.pt").sample(maps, seeds)
    for name in ("sdm", "cyclegan"):
        generator = load_trained(folder / f"{name}.pt")
        _require_finite(generator.network.state_dict().values(), "weights")
        generator.sample(maps, seeds)


def _write_segmenter(folder: Path) -> None:
    frames = toy_frames(1, SIDE)
    unet_training.train(frames, frames, UNET, 0)[0].save(folder / "unet-0.pt")


def _read_segmenter(folder: Path) -> None:
    segmenter = Segmenter.load(folder / "unet-0.pt")
    segmenter.predict(toy_frames(1, segmenter.preprocessing.size_px).images)


# Folders of runs


_SETTINGS = resolve(generator="paint", view="4C").identity()


def _write_stages(folder: Path) -> None:
    stages, training = StageFolder(folder, "cpu"), toy_frames(1, SIDE)
    with stages.opened(_SETTINGS):
        stages.claim({"training": "a" * 64})
        weights = stages.work / "generator-4C.pt"
        with stages.measured("fit-4C", [weights]) as noted:
            Paint(Paint.presets["quick"]).fit(training, 0).save(weights)
            noted["items"] = 2
        identity = {"generator": "paint", "seed": 0, "frames": training.fingerprint()}
        (stages.work / "fit-4C.identity.json").write_text(json.dumps(identity))
        with stages.measured("unet-0", [stages.work / "unet-0.pt"]):
            _write_segmenter(stages.work)


def _read_stages(folder: Path) -> None:
    stages = StageFolder(folder, "cpu")
    stages.threads()
    stages.begun_with()
    for stage in stages.stages():
        _require(0 <= stage.seconds < 1e9 and stage.attempts >= 1, f"{stage}")
    kept_generator(folder, "4C", toy_frames(1, SIDE), "cpu")
    Segmenter.load(first_unet(folder))
    with stages.opened(_SETTINGS):
        stages.claim({"training": "a" * 64})


def _write_drawing(folder: Path) -> None:
    generator = SemanticDiffusion(SDM).fit(toy_frames(1, SIDE), 0)
    generator.save(folder / "generator.pt")
    (folder / "maps").mkdir()
    for i, labels in enumerate(toy_frames(3, SIDE).labels[::2]):
        Image.fromarray(labels).save(folder / "maps" / f"patient000{i}_4CH_ED.png")
    _draw(folder)


def _draw(folder: Path) -> None:
    generate(folder / "generator.pt", folder / "maps", folder / "out")


def _draw_anew(folder: Path) -> None:
    shutil.rmtree(folder / "out")
    _draw(folder)


def _read_drawing(folder: Path) -> None:
    """As a run reads it with `folder:`."""
    _require_sound(read_folder(folder / "out", None, size=(SIDE, SIDE)).frames)


# Records


def _write_run(folder: Path, name: str = "real", **settings: object) -> Path:
    """A committed record, of three patients and one U-Net, with all that was measured beside it."""
    source = MEASURED / f"phantom-{name}-quick"
    record, scores = read_record(source)
    patients = record.test_patients[:3]
    scores = scores[scores["patient"].isin(patients) & (scores["unet_seed"] == 0)]
    record = dataclasses.replace(
        record,
        test_patients=patients,
        settings=record.settings | {"unet_seeds": [0]} | settings,
        stages=[dataclasses.replace(one, items=6) if one.name == "score" else one for one in record.stages],
    )
    curves = pd.read_csv(source / "curves.csv")
    folder.mkdir(exist_ok=True)
    watched = pd.DataFrame({"view": "4C", "step": [10, 20], "loss": [0.3, 0.2]})
    write_record(folder, record, scores, curves[curves["unet_seed"] == 0], watched)
    sha256 = file_sha256(folder / "scores.csv")
    REALISM.write(folder, sha256, REALISM.read(source))
    points = [("FID", whose, n, 90, 20 + 100 / n, "i", "f") for whose in ("drawn", "real") for n in (50, 70, 100)]
    CURVES.write(folder, sha256, pd.DataFrame(points, columns=list(CURVES.columns)))
    ejection = EJECTION.read(source)
    of_these = ejection["patient"].isin(patients) & ejection["unet_seed"].isin([0, np.nan])
    EJECTION.write(folder, sha256, ejection[of_these])
    known = zip(patients, "FMF", (61, 75, nan), ("", "Poor", ""), ("Good", "", ""), (55.5, nan, 40), strict=True)
    PATIENTS.write(folder, sha256, pd.DataFrame(known, columns=list(PATIENTS.columns)))
    crossed, there = read_cross(source, "phantom-echonet") or _nothing()
    there = there[there["unet_seed"] == 0]
    write_cross(folder, dataclasses.replace(crossed, run_sha256=sha256, unet_seeds=[0]), there)
    return folder


def _nothing() -> tuple[None, None]:
    raise AssertionError("the committed record has lost what was measured beside it")


def _write_runs(folder: Path) -> None:
    for name in ("real", "paint"):
        _write_run(folder / name, name)


def _tabulated(*tables: Callable[[Group], object]) -> Callable[[Path], None]:
    """A reader of two runs: what `verify` says of them, and these tables."""

    def read(folder: Path) -> None:
        for name in ("real", "paint"):
            _require(verify_folder(folder / name, name).line, "no verdict")  # never an exception, whatever is there
        comparison = Comparison.of([folder / "real", folder / "paint"])
        for run in (run for group in comparison.groups for run in group.runs):
            provenance(run, run.label)
            dice = run.scores["value"][run.scores["metric"] == "dice"].dropna()
            _require(len(run.scores) == 96 and dice.between(0, 1).all(), "scores that cannot be")
        with _few_resamples():
            for group in comparison.groups:
                for table in tables:
                    table(group)

    return read


def _write_failure(folder: Path) -> None:
    _write_run(folder / "real", "real")
    record, _ = read_record(folder / "real")
    failed = FailedRun("paint", "4C", "quick", record.settings, "fit-4C", 2, "a reason", "2026-01-01T00:00:00")
    (folder / "paint").mkdir()
    write_failed(folder / "paint", failed)


def _write_sweep(folder: Path) -> None:
    for name in ("paint", "warp"):
        for strength in (1.0, 2.0):
            _write_run(folder / f"{name}-{strength:g}", name, strength=strength)


def _read_sweep(folder: Path) -> None:
    with _few_resamples():
        for sweep in sweeps(sorted(folder.iterdir())):
            cell_table(sweep)
            best_table(sweep)


def _write_stress(folder: Path) -> None:
    record, scores = read_stress(MEASURED / "phantom-stress")
    generators = {name: record.generators[name] for name in ("warp", "paint")}
    deformations, patients = ["none", "swirl"], record.patients[:2]
    chosen = scores["generator"].isin(generators) & scores["patient"].isin(patients)
    chosen &= scores["deformation"].isin(deformations)
    few = dataclasses.replace(record, generators=generators, patients=patients)
    write_stress(folder, few, scores[chosen])


def _read_stress(folder: Path) -> None:
    _require(verify_folder(folder, "stress").line, "no verdict")
    record, scores = read_stress(folder)
    with _few_resamples():
        ladder_table(decay(scores), record.title)


def _seal_records(folder: Path) -> None:
    """Hashes of what is there now, in every record and table."""
    for path in folder.rglob("*.csv"):
        if path.name in {table.name for table in BESIDE}:
            with suppress(Exception):
                write_sealed(path, pd.read_csv(path, dtype=str).drop(columns=SEAL, errors="ignore"))
    for path in folder.rglob("*.json"):
        with suppress(Exception):
            document = json.loads(path.read_text())
            scores = path.with_name("scores.csv" if path.name == "run.json" else f"{path.stem}.csv")
            if OF_SCORES in document:
                document[OF_SCORES] = file_sha256(scores)
            if OF_FILES in document:
                document[OF_FILES] = {name: file_sha256(path.with_name(name)) for name in document[OF_FILES]}
            path.write_text(json.dumps(document))


@contextmanager
def _few_resamples() -> Iterator[None]:
    """Intervals of few resamples, as nobody looks at them."""
    usual, statistics.RESAMPLES = statistics.RESAMPLES, 20
    try:
        yield
    finally:
        statistics.RESAMPLES = usual


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


# What a person types, and what packages declare


_ASSIGNMENTS = (
    "generator.network.channels=[96, 128]", "generator.training.steps=50", "generator.sampling.eta=0.5",
    "generator.training.precision=32-true", "unet.epochs=null", "unet.augmentation.gamma_range=[0.5, 3.0]",
    "unet.network=unet", "unet.steps=10", "generator.network.attention=[false,true]", "unet.peak_learning_rate=1e-3",
)  # fmt: skip


def _write_assignments(folder: Path) -> None:
    for i, assignment in enumerate(_ASSIGNMENTS):
        key, _, value = assignment.partition("=")
        if not value.isidentifier() and "-" not in value[1:] and '"' not in value:
            (folder / f"{i}.json").write_text(json.dumps({key: json.loads(value)}))
        (folder / f"{i}.txt").write_text(assignment)


def _read_assignments(folder: Path) -> None:
    """Each alone: of the texts as they are, of the JSON the key and the value."""
    for path in sorted(folder.iterdir()):
        text = path.read_text(errors="surrogateescape")
        if path.suffix == ".json":
            key, _, value = text.partition(":")
            text = f"{key.strip(' {').strip(chr(34))}={value.rstrip(' }')}"
        overridden({"generator": STANDARD, "unet": PRESETS["standard"]}, [text])


def _write_plugin(folder: Path) -> None:
    place = folder / "plug-1.0.dist-info"
    place.mkdir()
    (folder / "fuzzed_plugin.py").write_text("from echobench.generators.warp import Warp as Mine\n")
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    declared = "[echobench.generators]\nmine = fuzzed_plugin:Mine\nother = fuzzed_plugin:Nobody\nreal = os:path\n"
    (place / "entry_points.txt").write_text(declared)


def _read_plugin(folder: Path) -> None:
    sys.path.insert(0, str(folder))
    try:
        for name in set(names()) - {"real", "sdm", "cyclegan", "warp", "paint", "folder"}:
            with suppress(EchobenchError):
                listed(name, "quick")
            with suppress(EchobenchError):
                generator_class(name)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("fuzzed_plugin", None)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("nifti", lambda folder: _camus(folder, 1), "**/*_ED*.nii.gz", _read_camus),
        Kind("metaimage", _write_meta, "**/*.*", _read_meta),
        Kind("manifest", _write_drawn, "manifest.csv", _read_drawn),
        Kind("drawn-png", _write_drawn, "*.png", _read_drawn),
        Kind("info-cfg", _write_info, "**/*.cfg", _read_info),
        Kind("split", lambda folder: _camus(folder, 3, (1, 1, 1)), "database_split/*", _read_split),
        Kind("echonet-tables", _write_videos, "*.csv", _read_videos),
        Kind("echonet-avi", _write_videos, "**/*.avi", _read_videos),
        Kind("npz-cache", _write_cache, "cache/**/*.npz", _read_cached),
        Kind("sdm-training", _train(SemanticDiffusion, SDM), "*.pt", _train(SemanticDiffusion, SDM)),
        Kind("cyclegan-training", _train(CycleGan, CYCLEGAN), "*.pt", _train(CycleGan, CYCLEGAN)),
        Kind("unet-training", _train_unet, "*.checkpoint", _train_unet),
        Kind("generator", _write_generators, "*.*", _read_generators),
        Kind("segmenter", _write_segmenter, "*.pt", _read_segmenter),
        Kind("stages", _write_stages, "stages/*", _read_stages),
        Kind("origin", _write_drawing, "out/*.*", _draw),
        Kind("drawn-nifti", _write_drawing, "out/**/*.nii.gz", _read_drawing),
        Kind("map-png", _write_drawing, "maps/*.png", _draw_anew),
        Kind("run", _write_runs, "paint/run.json", _tabulated(region_table, cost_table), _seal_records),
        Kind("scores", _write_runs, "paint/*s.csv", _tabulated(region_table, missed_table), _seal_records),
        Kind("cross", _write_runs, "paint/cross*", _tabulated(cross_tables), _seal_records),
        Kind("realism", _write_runs, "paint/realism.csv", _tabulated(realism_tables, overview_table), _seal_records),
        Kind("curves", _write_runs, "paint/realism-*.csv", _tabulated(number_figure), _seal_records),
        Kind("ejection", _write_runs, "paint/ejection.csv", _tabulated(ejection_tables), _seal_records),
        Kind("patients", _write_runs, "paint/patients.csv", _tabulated(subgroup_tables), _seal_records),
        Kind("failed", _write_failure, "paint/failed.json", _tabulated(region_table)),
        Kind("stress", _write_stress, "*.*", _read_stress, _seal_records),
        Kind("sweep", _write_sweep, "paint-1/run.json", _read_sweep, _seal_records),
        Kind("set", _write_assignments, "*.*", _read_assignments),
        Kind("plug-in", _write_plugin, "*.dist-info/*", _read_plugin),
    )
}
