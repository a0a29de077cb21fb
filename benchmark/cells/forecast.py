"""What cells will cost: hours and disk, foretold from a few steps that are timed on this machine.

An estimate of what takes long: trainings, drawing, and the images that U-Nets look at. Reading, scoring, measuring and
figures are left out.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.execute import Executor, Serial
from echobench.benchmark.cells.parts import IMAGES, Part, parts_of
from echobench.benchmark.run.machine import default_jobs, default_threads, describe_machine
from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.run.trial import PHANTOM_SEED, used
from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.registry import layout_of, reader_called
from echobench.data.frames import Frames
from echobench.data.maps import LabelMaps, label_maps
from echobench.data.phantom.dataset import phantom_patient, subgroups_of
from echobench.data.sector import sector_mask
from echobench.data.splits import Split
from echobench.data.store import FrameWriter
from echobench.generators.base import Generator
from echobench.generators.trained import Trained
from echobench.generators.training.pairs import to_planes
from echobench.generators.training.parallel import own_device
from echobench.results.shown.departures import OFFICIAL
from echobench.results.shown.formats import duration
from echobench.segmentation.segmenter import Segmenter
from echobench.segmentation.settings import UNetSettings
from echobench.segmentation.training import Run

TRIED_SECONDS = 0.3
"""For which a step is repeated, after a first one that is not timed."""
TRIED_WEIGHTS = 50_000_000
"""A larger network is not tried on a processor: its steps take minutes."""
BYTES_PER_WEIGHT = 20
"""On disk, as float32: a network's file, and in its checkpoint the network, its average or best, and two moments."""
GENERATORS, DRAWING, UNETS = "training generators", "drawing", "training U-Nets"


@dataclass(frozen=True)
class GeneratorRates:
    """fit: seconds of a whole training. draw: of an image, with its map deformed, and written. image_bytes: of it on
    disk. parameters: of the network. untried: why the seconds are not known, and 0."""

    fit: float = 0.0
    draw: float = 0.0
    image_bytes: float = 0.0
    parameters: int = 0
    untried: str = ""


@dataclass(frozen=True)
class UNetRates:
    """step: seconds of an optimiser step. look: of an image that it predicts. parameters: of the network."""

    step: float
    look: float
    parameters: int


class Probe:
    """Times generators and U-Nets on a device, each once."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._generators: dict[tuple[Any, ...], GeneratorRates] = {}
        self._unets: dict[UNetSettings, UNetRates] = {}

    def generator(self, settings: RunSettings) -> GeneratorRates:
        """Of the generator of a run."""
        size = settings.unet_settings.image_size_px
        key = (settings.generator, settings.generator_settings, settings.strength, size)
        if key not in self._generators:
            self._generators[key] = generator_rates(settings, self.device)
        return self._generators[key]

    def unet(self, settings: UNetSettings) -> UNetRates:
        """Of a U-Net."""
        if settings not in self._unets:
            self._unets[settings] = unet_rates(settings, self.device)
        return self._unets[settings]


@dataclass(frozen=True)
class Counts:
    """Images of a run. drawn: for the U-Net's training. training, validation: those that it trains on, real frames of a
    mix among them, and is selected on."""

    drawn: int
    training: int
    validation: int


@dataclass(frozen=True)
class Forecast:
    """seconds: until the last part has ended. bytes: on disk. work: seconds by what is done, of all jobs together.
    jobs, threads: side by side, and of each. machine: whose steps were timed. left_out: what of it is unknown."""

    seconds: float
    bytes: float
    work: Mapping[str, float]
    jobs: int
    threads: int
    machine: str
    left_out: tuple[str, ...] = ()

    def followed_by(self, work: Mapping[str, float], left_out: Sequence[str] = ()) -> "Forecast":
        """The same with work that comes after all of it, in one process."""
        both = {name: self.work.get(name, 0.0) + work.get(name, 0.0) for name in (*self.work, *work)}
        together = tuple(dict.fromkeys((*self.left_out, *left_out)))
        return replace(self, seconds=self.seconds + sum(work.values()), work=both, left_out=together)

    @property
    def sentences(self) -> list[str]:
        """For a person: what it will cost, and where the numbers come from."""
        shares = ", ".join(f"{name} {duration(seconds)}" for name, seconds in self.work.items() if seconds)
        crew = f"{self.jobs} job{'s' * (self.jobs > 1)} of {self.threads} thread{'s' * (self.threads > 1)}"
        return [
            f"Estimate: {duration(self.seconds)} with {crew}, {_size(self.bytes)} of disk.",
            *([f"Of all jobs together: {shares}."] if shares else []),
            f"It is an estimate from a few steps that were timed just now on this machine ({self.machine}).",
            "Reading, scoring, measuring and figures are left out.",
            *(f"Left out as well: {reason}." for reason in self.left_out),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "hours": self.seconds / 3600, "gigabytes": self.bytes / 1e9, "jobs": self.jobs, "threads": self.threads,
            "hours_of_all_jobs": {name: seconds / 3600 for name, seconds in self.work.items()},
            "source": f"a few steps timed on this machine ({self.machine})", "left_out": list(self.left_out),
        }  # fmt: skip


def forecast(cells: Sequence[Cell], executor: Executor, probe: Probe) -> Forecast:
    """What is left to do of some cells, as if this machine did it, with the jobs and threads of an executor.

    Torch computes on these threads from here on. Raises EchobenchError where data cannot be found.
    """
    for data in {cell.settings.data for cell in cells} - {None}:
        layout_of(Path(str(data)))  # there has to be one, even if nothing is left to do
    jobs, threads = _crew(executor, probe.device)
    torch.set_num_threads(threads)
    seconds: dict[str, float] = {}
    work = dict.fromkeys((GENERATORS, DRAWING, UNETS), 0.0)
    size, left_out, parts = 0.0, dict[str, None](), parts_of(cells)
    for part in parts:
        shares = list(_shares(part, probe))
        seconds[part.name] = sum(share.seconds for share in shares)
        for share in shares:
            work[share.what] += share.seconds
            size += share.bytes
            left_out |= dict.fromkeys([share.untried] if share.untried else [])
    machine = describe_machine(probe.device)
    name = machine["processor"] if machine["device"] == "cpu" else machine["device"]
    return Forecast(wall_seconds(parts, seconds, jobs), size, work, jobs, threads, str(name), tuple(left_out))


def wall_seconds(parts: Sequence[Part], seconds: Mapping[str, float], jobs: int) -> float:
    """Until the last part has ended. The job that is free first takes the part that can begin first; generators, which
    others wait for, come before the rest."""
    free, ended, waiting = [0.0] * jobs, dict[str, float](), list(parts)
    while waiting:
        ready = {
            part: max((ended[name] for name in part.needs), default=0.0)
            for part in waiting
            if all(name in ended for name in part.needs)
        }
        begin = heappop(free)
        part = min(ready, key=lambda part: (max(ready[part], begin), not part.trains_generator))
        ended[part.name] = max(ready[part], begin) + seconds[part.name]
        heappush(free, ended[part.name])
        waiting.remove(part)
    return max(ended.values(), default=0.0)


def counts_of(settings: RunSettings) -> Counts:
    """As the split has patients, each with a frame of every view and phase. Raises EchobenchError without data."""
    split = used(split_of(settings), settings)
    each = len(settings.views) * len(settings.phases)
    frames, spared = each * len(split.training), each * len(split.set_aside + split.selecting)
    if settings.mix is not None:
        drawn = max(1, round(settings.mix * frames))
        return Counts(drawn, frames + drawn, each * len(split.selection))
    drawn = settings.images or (settings.repeats * (frames + spared) if settings.backend.deforms else frames)
    return Counts(drawn, drawn, each * len(split.selection))


def generator_rates(settings: RunSettings, device: str) -> GeneratorRates:
    """Time a generator: some steps of its training, some images drawn and written."""
    if not settings.backend.deforms:
        return GeneratorRates()  # the frames as they are
    generator = settings.backend(settings.generator_settings, device)
    known, untried = GeneratorRates(parameters=generator.parameters), ""
    if generator.trained and not isinstance(generator, Trained):
        untried = "of which nothing but a whole training can be timed"
    elif generator.parameters > TRIED_WEIGHTS and device == "cpu":
        untried = f"whose {generator.parameters / 1e6:,.0f} million weights are too many to try on a processor"
    else:
        try:
            return _tried(generator, settings, known)
        except EchobenchError as error:
            untried = f"which cannot be tried: {error}"
    return replace(known, untried=f"{settings.label}, {untried}")


def _tried(generator: Generator, settings: RunSettings, known: GeneratorRates) -> GeneratorRates:
    frames, device = _frames(settings.unet_settings.image_size_px, 4), generator.device
    repeats = 1 if device == "cpu" else ceil(generator.batch / len(frames))

    def deform() -> LabelMaps:
        return label_maps(frames, strength=settings.strength, repeats=repeats, seed=settings.seed)

    maps = deform()
    visible, seeds = maps if generator.needs_source_images else maps.without_images(), np.arange(len(maps))
    fit, evaluations = 0.0, 1.0
    if isinstance(generator, Trained):
        few = generator.abridged()
        training = generator.new_training(generator.learnt_from(frames), 0, own_device(device))
        fit = training.steps * _seconds(training.advance, device, most=training.steps)
        network, evaluations = training.average.eval(), generator.evaluations / few.evaluations
        sector = torch.tensor(maps.sector, device=own_device(device))
        planes = to_planes(torch.tensor(maps.labels, device=sector.device), sector)
        drawn = _seconds(lambda: few.draw_maps(network, visible, planes, seeds.tolist()), device)
    else:
        generator.fit(frames, settings.seed)
        drawn = _seconds(lambda: generator.sample(visible, seeds), device)
    written, size = _written(maps, seeds)
    seconds = _seconds(deform, device) + evaluations * drawn + written
    return replace(known, fit=fit, draw=seconds / len(maps), image_bytes=size / len(maps))


def unet_rates(settings: UNetSettings, device: str) -> UNetRates:
    """Time a U-Net: some steps of its training, and a look at some images."""
    frames = _frames(settings.image_size_px, max(settings.batch_size, 4))
    run = Run(frames, frames, settings, 0, torch.device(device))
    step = _seconds(lambda: run.optimise(settings.final_learning_rate), device)
    segmenter = Segmenter(run.network.eval(), settings, run.preprocessing)
    look = _seconds(lambda: segmenter.predict(frames.images), device) / len(frames)
    return UNetRates(step, look, sum(weights.numel() for weights in run.network.parameters()))


@dataclass(frozen=True)
class _Share:
    """What a part spends on one kind of work. untried: why its seconds are not known."""

    what: str
    seconds: float
    bytes: float = 0.0
    untried: str = ""


def _shares(part: Part, probe: Probe) -> Iterator[_Share]:
    """Of a part, what its folder has not finished."""
    cell, settings = part.cell, part.cell.settings
    stages = StageFolder(cell.folder, "cpu")

    def views(stage: str) -> int:
        return sum(cell.force or not stages.finished(f"{stage}-{view}") for view in settings.views)

    if part.trains_generator and (missing := views("fit")):
        rates = probe.generator(settings)
        yield _Share(GENERATORS, missing * rates.fit, missing * BYTES_PER_WEIGHT * rates.parameters, rates.untried)
    if part.step == IMAGES and settings.backend.deforms:
        rates, counts = probe.generator(settings), counts_of(settings)
        for subset, images in (("training", counts.drawn), ("validation", counts.validation)):
            if left := images * views(f"draw-{subset}") / len(settings.views):
                yield _Share(DRAWING, left * rates.draw, left * rates.image_bytes, rates.untried)
    if part.seed is not None:
        counts, unet, own = counts_of(settings), probe.unet(settings.unet_settings), settings.unet_settings
        steps = own.total_steps(counts.training)
        looks = ceil(steps / own.looks_every(counts.training))
        seconds = steps * unet.step + looks * counts.validation * unet.look
        yield _Share(UNETS, seconds, BYTES_PER_WEIGHT * unet.parameters)


def _size(number: float) -> str:
    return f"{number / 1e6:.0f} MB" if number < 1e9 else f"{number / 1e9:.1f} GB"


def _crew(executor: Executor, device: str) -> tuple[int, int]:
    """Jobs side by side, and the threads of each."""
    threads = getattr(executor, "threads", None)
    if isinstance(executor, Serial):
        return 1, threads or torch.get_num_threads()
    threads = threads or default_threads()
    return getattr(executor, "jobs", None) or default_jobs(device, threads), threads


def split_of(settings: RunSettings) -> Split:
    """Of the data, which are not read for it."""
    if settings.data is None:
        groups = {name: tuple(patients) for name, patients in subgroups_of(settings.phantom_patients or 0).items()}
        return Split(**groups, origin=OFFICIAL)
    folder = Path(settings.data)
    return reader_called(layout_of(folder)).split_of(folder, settings.seed)


def _frames(side: int, n: int) -> Frames:
    """n frames of two patients of the phantom, again and again, (n, side, side)."""
    patients = [phantom_patient(PHANTOM_SEED, number, side) for number in (1, 2)]
    found = [(patient.name, frame) for patient in patients for frame in patient.frames if frame.view == "4C"]
    rows = [found[i % len(found)] for i in range(n)]
    return Frames(
        images=np.array([frame.image for _, frame in rows]),
        labels=np.array([frame.labels for _, frame in rows]),
        sector=np.array([sector_mask(frame.image) for _, frame in rows]),
        spacing_mm=np.array([frame.spacing_mm for _, frame in rows]),
        patient=np.array([name for name, _ in rows]),
        view=np.array([frame.view for _, frame in rows]),
        phase=np.array([frame.phase for _, frame in rows]),
        source=np.array(["phantom"] * n),
    )


def _written(maps: LabelMaps, seeds: NDArray[np.int64]) -> tuple[float, float]:
    """Seconds and bytes of an image for each map, written as a run does. The images are those behind the maps."""
    with TemporaryDirectory(prefix="echobench-") as folder:
        writer = FrameWriter(Path(folder) / "drawn", maps, seeds)
        began = time.perf_counter()
        writer.append(maps.source.images[maps.source_index])
        seconds = time.perf_counter() - began
        return seconds, float(sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()))


def _seconds(work: Callable[[], object], device: str, most: int = 100) -> float:
    """Of one call, the mean over some, `most` with the first, which is not timed."""
    calls, began = -1, 0.0
    while calls < 1 or (calls + 1 < most and time.perf_counter() - began < TRIED_SECONDS):
        if calls == 0:
            began = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        calls += 1
    return (time.perf_counter() - began) / calls
