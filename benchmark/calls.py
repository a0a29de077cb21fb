"""What a verb of the command line does, as one call: for the command line, and for notebooks by `import echobench`.

Names that a call hands on are those of `resolve`, `resolve_stress` or a `plan`, and mean what they say. Folders are
those that the command line takes: a run that is in one of them already is read, not run again.

executor, jobs, threads: where cells are carried out, how many parts of them at a time, and on how many of torch's
threads each; see `find_executor`. Without them, one after another in this process, on the threads that torch has. A
script that asks for several jobs works behind `if __name__ == "__main__":`, because their processes import it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from echobench.benchmark import RUNS
from echobench.benchmark.cells import compare as comparing
from echobench.benchmark.cells import sweep as sweeping
from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.execute import Executor, find_executor
from echobench.benchmark.cells.parts import has_seeds
from echobench.benchmark.measure import cross as crossing
from echobench.benchmark.run import trial
from echobench.benchmark.run.place import place_of
from echobench.benchmark.run.settings import resolve, resolve_device
from echobench.benchmark.run.stages import Reporter
from echobench.benchmark.run.trial import require_data
from echobench.benchmark.stress import outcome as outcomes
from echobench.benchmark.stress import stress as stressing
from echobench.benchmark.stress.settings import GENERATORS, StressSettings, cells, resolve_stress
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import typed_path
from echobench.data.base.progress import silent
from echobench.data.datasets.dataset import Dataset
from echobench.results.evidence.comparison import Comparison
from echobench.results.records.run import RunRecord, read_failed, read_record
from echobench.results.shown.formats import Table

Place = str | Path
"""A folder or a file as a person types it: ~ is the home folder."""


def load_dataset(data: str | None = None, *, view: str = "4C", **asked: Any) -> Dataset:
    """The frames that a run sees, their split and what is known of the patients; None is the phantom.

    asked: further names of `resolve`. Raises EchobenchError where the data cannot be read.
    """
    return trial.load_dataset(resolve(generator="real", view=view, data=data, **asked))


def run(
    *,
    generator: str,
    view: str = "4C",
    out: Place | None = None,
    device: str = "auto",
    force: bool = False,
    generator_from: Place | None = None,
    executor: str | Executor | None = None,
    jobs: int | None = None,
    threads: int | None = None,
    report: Reporter = lambda stage: silent,
    **asked: Any,
) -> tuple[RunRecord, pd.DataFrame]:
    """Train one U-Net on what a generator drew, and score it: the record of the run and its raw scores.

    asked: further names of `resolve`. out: None is a folder in runs/, named by the settings. The rest is of
    `pipeline.run`. Raises EchobenchError for whatever stops it.
    """
    place = find_executor(executor, jobs=jobs, threads=threads)
    settings = resolve(generator=generator, view=view, **asked)
    folder = _typed(out) or place_of(settings, RUNS)
    cell = Cell(settings, folder, "", _typed(generator_from), force=force)
    place.carry_out([cell], resolve_device(device), report)
    if (failed := read_failed(folder)) and not has_seeds(folder, settings.unet_seeds):
        raise EchobenchError(failed.error)
    return read_record(folder)


def compare(
    *,
    runs: Sequence[Place] = (),
    out: Place = RUNS,
    device: str = "auto",
    inception: Place | None = None,
    fid_images: int | None = None,
    executor: str | Executor | None = None,
    jobs: int | None = None,
    threads: int | None = None,
    report: Reporter = lambda stage: silent,
    **asked: Any,
) -> Comparison:
    """Run what is missing of a comparison, measure, and write tables, figures and report into out/comparison.

    runs: only tabulate these, or those in them; with `data`, what the dataset there says of their patients is put
    beside them. inception: weights of InceptionV3 for FID and KID, "download" to fetch them; None is
    $ECHOBENCH_INCEPTION, else torch-fidelity's cache. fid_images: how many drawn images, and real frames, FID takes at
    most; None is all. asked: names of `compare.plan`.
    """
    out, place = typed_path(out), find_executor(executor, jobs=jobs, threads=threads)
    folder = out / comparing.COMPARISON
    if runs:
        found = comparing.found_runs(map(typed_path, runs))
        if data := asked.get("data"):
            comparing.describe(found, typed_path(data))
        return comparing.compare(found, folder)
    planned, device = comparing.plan(out, **asked), resolve_device(device)
    comparing.carry_out(planned, device, report, _typed(inception), fid_images=fid_images, executor=place)
    pictures = comparing.draw_pictures(planned, folder, device)
    return comparing.compare([cell.folder for cell in planned], folder, pictures)


def sweep(
    *,
    runs: Sequence[Place] = (),
    out: Place = RUNS,
    device: str = "auto",
    generator_from: Sequence[Place] = (),
    executor: str | Executor | None = None,
    jobs: int | None = None,
    threads: int | None = None,
    report: Reporter = lambda stage: silent,
    **asked: Any,
) -> list[Table]:
    """Run what is missing of a sweep; its tables, which are written into out/sweep with a figure.

    runs: only tabulate these, or those in them. generator_from: runs whose generators are taken. asked: names of
    `sweep.plan`.
    """
    out, place = typed_path(out), find_executor(executor, jobs=jobs, threads=threads)
    if runs:
        swept = comparing.found_runs(map(typed_path, runs))
    else:
        planned = sweeping.plan(out, **asked)
        earlier = [*map(typed_path, generator_from)]
        sweeping.carry_out(planned, resolve_device(device), report, earlier, executor=place)
        swept = [cell.folder for cell in planned]
    return sweeping.tabulate(swept, out / sweeping.SWEEP)


def stress(
    *,
    runs: Sequence[Place] = (),
    generators: Sequence[str] | None = None,
    assignments: Sequence[str] = (),
    out: Place | None = None,
    device: str = "auto",
    force: bool = False,
    executor: str | Executor | None = None,
    jobs: int | None = None,
    threads: int | None = None,
    report: Reporter = lambda stage: silent,
    **asked: Any,
) -> outcomes.Outcome:
    """Find where generators stop following label maps that no training set holds.

    runs: whose generators are taken. generators: those of runs/, trained if need be; None is the usual ones, or none
    beside `runs`. assignments: changes to the settings of these and of the judge's U-Net. out: None is a folder in
    runs/, named by the settings. asked: names of `resolve_stress`.
    """
    place = find_executor(executor, jobs=jobs, threads=threads)
    settings, missing, folder = plan_stress(runs=runs, generators=generators, assignments=assignments, out=out, **asked)
    stressing.stress(
        settings, folder, missing=missing, runs=[*map(typed_path, runs)], device=resolve_device(device), force=force,
        executor=place, report=report,
    )  # fmt: skip
    return outcomes.write_outcome(folder)


def plan_stress(
    *,
    runs: Sequence[Place] = (),
    generators: Sequence[str] | None = None,
    assignments: Sequence[str] = (),
    out: Place | None = None,
    **asked: Any,
) -> tuple[StressSettings, list[Cell], Path]:
    """What `stress` is about: its settings, the runs that train its generators, its folder."""
    settings = resolve_stress(assignments=assignments, **asked)
    missing = cells(RUNS, settings, generators or ([] if runs else GENERATORS), assignments)
    return settings, missing, _typed(out) or stressing.place_of_stress(settings, RUNS)


def cross(
    *,
    runs: Sequence[Place] = (),
    on: str = "echonet",
    data_echonet: str | None = None,
    data_camus: Place | None = None,
    skip_broken: bool = False,
    out: Place = RUNS,
    device: str = "auto",
    executor: str | Executor | None = None,
    jobs: int | None = None,
    threads: int | None = None,
    report: Reporter = lambda stage: silent,
    **asked: Any,
) -> list[Table]:
    """Score the U-Nets of runs on data of another kind; the tables, which are written into out/cross with figures.

    runs: finished ones, or folders of them, whose own data lie in `data` of `asked`, if they were moved; without, those
    that `compare.plan` makes of `asked`. on, data_echonet, data_camus, skip_broken: see `measure.cross.targets`.
    """
    place = find_executor(executor, jobs=jobs, threads=threads)
    device, out = resolve_device(device), typed_path(out)
    # Whatever can be refused is refused before videos are read, and before hours of training.
    folders = comparing.found_runs([*map(typed_path, runs)]) if runs else []
    planned = [] if runs else comparing.plan(out, **asked)
    for cell in planned:
        require_data(cell.settings)
    target_of = crossing.targets(
        on, echonet=data_echonet, camus=_typed(data_camus), data=asked.get("data"), skip_broken=skip_broken,
        progress=report("read videos"),
    )  # fmt: skip
    if planned:
        for cell in planned if on == "echonet" else ():
            crossing.refuse_phantom(target_of(cell.folder), cell.folder.name, on_phantom=cell.settings.data is None)
        comparing.carry_out(planned, device, report, executor=place)
        folders = [cell.folder for cell in planned]
    return crossing.cross_runs(folders, target_of, out / crossing.CROSS, device)


def _typed(place: Place | None) -> Path | None:
    return None if place is None else typed_path(place)
