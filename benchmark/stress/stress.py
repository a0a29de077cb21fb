"""`echobench stress`: extreme maps → images of every generator → how far they follow, cell by cell."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.execute import Executor, find_executor
from echobench.benchmark.cells.parts import number_of_parts, share
from echobench.benchmark.run.machine import now
from echobench.benchmark.run.pictures import DPI
from echobench.benchmark.run.place import found_place
from echobench.benchmark.run.stages import WHOLE, Reporter, StageFolder, read_part
from echobench.benchmark.run.trained import has_generators
from echobench.benchmark.run.trial import load_dataset
from echobench.benchmark.stress.asked import Asked, asked, drawn, measured, undeformed
from echobench.benchmark.stress.competitors import Competitor, competitors
from echobench.benchmark.stress.gallery import gallery
from echobench.benchmark.stress.judge import divided, judge_frames
from echobench.benchmark.stress.settings import PHASE, StressSettings
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256, write_whole, writing_whole
from echobench.data.base.progress import silent
from echobench.data.datasets.dataset import Dataset
from echobench.data.frames import Frames
from echobench.data.labels import REGIONS
from echobench.data.ladder.ladder import STRESSES
from echobench.generators.warp import Warp, WarpSettings
from echobench.results.evidence.adherence import IDEAL, UNDEFORMED
from echobench.results.records.run import PICTURES, read_failed
from echobench.results.records.stress import StressRecord, write_stress
from echobench.results.shown.files import write_figures
from echobench.segmentation.segmenter import Segmenter
from echobench.segmentation.training import train

LADDER = "ladder"


@dataclass(frozen=True, eq=False)
class _Test:
    """A stress under way. frames: whose maps are deformed."""

    settings: StressSettings
    stages: StageFolder
    device: str
    report: Reporter
    dataset: Dataset
    frames: Frames

    @property
    def cells(self) -> Path:
        return cells_folder(self.stages.run)


def cells_folder(folder: Path) -> Path:
    """Where a stress keeps its finished cells, and the maps that it shows."""
    return folder / "stages" / "cells"


def cell_name(deformation: str, generator: str, weights_sha256: str) -> str:
    """Of what is kept of a generator's cell: another training under the same name is another."""
    return f"{deformation} {generator}-{weights_sha256[:8]}"


def stress(
    settings: StressSettings,
    folder: Path,
    *,
    missing: Sequence[Cell] = (),
    runs: Sequence[Path] = (),
    device: str = "cpu",
    force: bool = False,
    executor: str | Executor | None = None,
    report: Reporter = lambda stage: silent,
) -> tuple[StressRecord, pd.DataFrame]:
    """Put trained generators, and `warp` beside them, to the test; what is finished in `folder` is not done again.

    missing: cells whose generators are taken, trained before if they are not. runs: folders of others. force: start
    over, whatever is there. executor: see `find_executor`.
    Raises EchobenchError for whatever a user can cause.
    """
    started, place = now(), find_executor(executor)
    for run in runs:
        StageFolder(run, device).begun_with()  # before data are read, which may be made first
    dataset = load_dataset(settings.ideal, report("read"))
    frames = _frames(settings, dataset)
    stages, training = StageFolder(folder, device), dataset.subset("training", settings.ideal.view)
    competitors(runs, settings.ideal.view, training, device)  # before anything is removed or trained
    with stages.opened(settings.identity(), force=force):
        stages.claim(_fingerprints(settings, dataset))
        before = number_of_parts(missing)
        total = before + (1 + len(settings.deformations)) * (1 + len(missing) + len(runs))
        test = _Test(settings, stages, device, share(report, before, total), dataset, frames)
        place.carry_out(missing, device, share(report, 0, total))
        others = competitors([*map(_trained, missing), *runs], settings.ideal.view, training, device)
        entrants = [_ideal(), *others]
        scores = pd.concat(_scores(test, entrants, _judge(test)), ignore_index=True)
        record = _record(test, entrants, started)
        if set(scores["deformation"]) == {UNDEFORMED}:
            raise EchobenchError(f"none of the deformations applies to these maps: {record.skipped[0]['reason']}")
        write_stress(folder, record, scores)
        _show_ladder(test)
    return record, scores


def place_of_stress(settings: StressSettings, runs: Path) -> Path:
    """The folder of a stress in `runs`: that of its name, or that of the same stress whose data lay elsewhere."""
    return found_place(
        runs, settings.slug(), settings.identity(), lambda: _fingerprints(settings, load_dataset(settings.ideal))
    )


def _fingerprints(settings: StressSettings, dataset: Dataset) -> dict[str, str]:
    """Of what a stress is about."""
    training = dataset.subset("training", settings.ideal.view)
    return {"training": training.fingerprint(), "validation": _frames(settings, dataset).fingerprint()}


def _trained(cell: Cell) -> Path:
    """The folder of a cell that was carried out. Raises EchobenchError, with its reason, where it has no generator."""
    if not has_generators(cell.folder, cell.settings.views) and (failed := read_failed(cell.folder)):
        raise EchobenchError(f"{cell.title} was not trained: {failed.error}")
    return cell.folder


def _frames(settings: StressSettings, dataset: Dataset) -> Frames:
    """Whose maps are deformed: patients on whom no generator and no judge was trained, evenly over the list.

    Validation patients, since generators are not to be looked at, and perhaps changed, by what test patients show.
    """
    frames = dataset.subset("validation", settings.ideal.view).where(phases=(PHASE,))
    if not (set(REGIONS) <= set(dataset.regions) and np.isfinite(frames.spacing_mm).all()):
        raise EchobenchError(
            f"stress needs maps of every structure, in millimetres; {dataset.name} has {', '.join(dataset.regions)}"
            f"{'' if np.isfinite(frames.spacing_mm).all() else ' and no millimetres'}"
        )
    patients = sorted(set(frames.patient.tolist()))
    if len(patients) < settings.patients:
        raise EchobenchError(
            f"patients is {settings.patients}, but {dataset.name} has {len(patients)} validation patients with a "
            f"{settings.ideal.view} {PHASE} frame; ask for {len(patients)} at most"
        )
    chosen = np.linspace(0, len(patients) - 1, settings.patients).round().astype(np.intp)
    return frames.where(patients=[patients[i] for i in chosen])


def _ideal() -> Competitor:
    """`warp` has nothing to learn, so it is of no run."""
    return Competitor(IDEAL, IDEAL, Warp(WarpSettings()), Path(), hashlib.sha256(b"").hexdigest())


def _judge(test: _Test) -> Segmenter:
    """The reference segmenter, trained once."""
    settings, stages, weights = test.settings.judge, test.stages, test.stages.work / "judge.pt"
    if not stages.finished("judge"):
        with stages.measured("judge", [weights, stages.work / "judge.csv"]) as noted:
            seed = test.settings.ideal.seed
            parts = divided(test.dataset.subset("training", test.settings.ideal.view))
            training, selecting = (
                judge_frames(part, settings.repeats, seed, test.report("judge's frames")) for part in parts
            )
            judge, curves = train(
                training, selecting, settings.unet, seed, device=test.device,
                checkpoint=stages.work / "judge.checkpoint", progress=test.report("judge"),
            )  # fmt: skip
            judge.save(weights)
            write_whole(stages.work / "judge.csv", curves.to_csv(index=False))
            noted["items"] = int(curves["step"].max()) * settings.unet.batch_size
    return Segmenter.load(stages.kept(weights), device=test.device)


def _scores(test: _Test, entrants: Sequence[Competitor], judge: Segmenter) -> Iterator[pd.DataFrame]:
    """Deformation by deformation, the rows of every generator; maps are only made where a cell is missing."""
    test.cells.mkdir(exist_ok=True)
    names, whole = (UNDEFORMED, *test.settings.deformations), test.report(WHOLE)
    for number, name in enumerate(names):
        whole(number * len(entrants), len(names) * len(entrants))
        question = None if name == UNDEFORMED or test.stages.finished(f"maps {name}") else _asked(test, name)
        for entrant in entrants:
            if entrant.label == IDEAL and name != UNDEFORMED and STRESSES[name].cannot_warp:
                continue
            cell = cell_name(name, entrant.name, entrant.weights_sha256)
            if not test.stages.finished(cell):
                question = question or _asked(test, name)
                _measure(test, cell, question, entrant, judge)
            if (path := test.cells / f"{cell}.csv").is_file():
                yield pd.read_csv(path).assign(generator=entrant.label)
    whole(len(names) * len(entrants), len(names) * len(entrants))


def _asked(test: _Test, name: str) -> Asked:
    """The maps of one deformation; skipped patients, and the first map of each severity, are kept for later."""
    if name == UNDEFORMED:
        return undeformed(test.frames)
    with test.stages.measured(f"maps {name}") as noted:
        question = asked(test.frames, name, test.settings.severities, test.settings.ideal.seed)
        noted["items"] = len(question.severity)
    skipped = [{"deformation": name, "severity": severity, **asdict(skip)} for severity, skip in question.skipped]
    write_whole(test.cells / f"{name}.json", json.dumps({"skipped": skipped}, indent=1) + "\n")
    if (maps := question.maps) is not None:
        first = _first(question.severity)
        frames = maps.source.select(maps.source_index[first])
        with writing_whole(test.cells / f"{name}.npz") as stream:
            np.savez_compressed(
                stream, severity=question.severity[first], labels=maps.labels[first],
                changed=maps.labels[first] != frames.labels, sector=maps.sector[first], spacing_mm=frames.spacing_mm,
                patient=frames.patient,
            )  # fmt: skip
    return question


def _measure(test: _Test, cell: str, question: Asked, entrant: Competitor, judge: Segmenter) -> None:
    """Draw and measure one cell; all images of the undeformed maps are kept, and the first one of each severity."""
    maps, pictures = question.maps, test.cells / f"{cell}.npz"
    with test.stages.measured(cell) as noted:
        noted["items"] = len(question.severity)
        if maps is None:
            return
        images = drawn(entrant.generator, maps, test.settings.ideal.seed)
        before = images if question.deformation == UNDEFORMED else _undeformed_images(test, entrant)
        rows = measured(question, maps, images, before, judge, entrant.label)
        kept = slice(None) if question.deformation == UNDEFORMED else _first(question.severity)
        with writing_whole(pictures) as stream:
            np.savez_compressed(stream, images=images[kept])
        write_whole(test.cells / f"{cell}.csv", rows.to_csv(index=False))
    test.report(f"{entrant.label} {question.deformation}")(len(images), len(images))


def _undeformed_images(test: _Test, entrant: Competitor) -> NDArray[np.uint8]:
    with np.load(test.cells / f"{cell_name(UNDEFORMED, entrant.name, entrant.weights_sha256)}.npz") as stored:
        images: NDArray[np.uint8] = stored["images"]
    return images


def _show_ladder(test: _Test) -> None:
    """A picture of what is asked for, on the map of one patient."""
    settings = test.settings
    severities = (0.0, *settings.severities)
    figure = gallery(test.frames.select(slice(0, 1)), settings.deformations, severities, settings.ideal.seed)
    write_figures({LADDER: figure}, test.stages.run / PICTURES, DPI)


def _first(severity: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where each severity begins."""
    return np.unique(severity, return_index=True)[1]


class _Skipped(TypedDict):
    skipped: list[dict[str, Any]]


def _record(test: _Test, entrants: Sequence[Competitor], started: str) -> StressRecord:
    settings, dataset = test.settings, test.dataset
    curves = pd.read_csv(test.stages.work / "judge.csv")
    skipped: list[dict[str, Any]] = []
    for name in settings.deformations:
        if (path := test.cells / f"{name}.json").is_file():
            skipped += read_part(path, _Skipped)["skipped"]
    return StressRecord(
        dataset=dataset.name,
        view=settings.ideal.view,
        preset=settings.ideal.preset,
        settings=settings.published(),
        generators={
            one.label: {"name": one.name, "weights_sha256": one.weights_sha256, "parameters": one.generator.parameters}
            | {"evaluations": one.generator.evaluations, "settings": asdict(one.generator.settings)}
            for one in entrants
        },
        judge={"dice": float(curves["dice_mean"].max()), "of": "frames deformed as those that it was trained on"},
        patients=sorted(set(test.frames.patient.tolist())),
        fingerprints={
            "training": dataset.subset("training", settings.ideal.view).fingerprint(),
            "maps": test.frames.fingerprint(),
            "split": dataset.split.fingerprint(),
            "judge": file_sha256(test.stages.work / "judge.pt"),
        },
        split_origin=dataset.split.origin,
        skipped=skipped,
        not_warped={name: STRESSES[name].cannot_warp for name in settings.deformations if STRESSES[name].cannot_warp},
        **test.stages.provenance(started),
    )
