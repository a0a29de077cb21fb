"""What a run draws: the label maps of each view and subset, and the images that the generator draws for them."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from echobench.benchmark.run.trial import Trial
from echobench.data.base.errors import EchobenchError
from echobench.data.base.progress import Progress
from echobench.data.frames import Frames, concatenate
from echobench.data.maps import LabelMaps, item_seeds, label_maps, repeat_numbers, repeats_for, undeformed_maps
from echobench.data.store import FrameWriter
from echobench.generators.base import Generator
from echobench.generators.training.parallel import company
from echobench.results.records.run import SYNTHETIC

CHUNK = 64
"""Maps per call of a generator and process, at least: what a kill may lose, and what is in memory at once."""


def drawn_frames(trial: Trial, generator_of: Callable[[str], Generator], subset: str) -> Frames:
    """Label maps of a subset with the images that the generator of each view draws for them, view by view.

    generator_of: asked for the generator of a view where something is missing, not for what is drawn already.
    """
    return concatenate([_drawn(trial, partial(generator_of, view), view, subset) for view in trial.settings.views])


def seen_by_unets(trial: Trial, training: Frames, selecting: Frames) -> tuple[Frames, Frames]:
    """What the U-Nets train on, and what selects their weights, from what was drawn for each.

    In a mix the real frames of the training patients train as well, and real frames select.
    """
    if trial.settings.mix is None:
        return training, selecting
    return concatenate([trial.frames("training"), training]), trial.frames("selection")


def _drawn(trial: Trial, generator: Callable[[], Generator], view: str, subset: str) -> Frames:
    maps = _maps(trial, view, subset)
    if not trial.settings.backend.deforms:  # the frames themselves: nothing to draw, nothing to store
        return maps.with_images(generator().sample(maps, np.zeros(len(maps), dtype=np.int64)))
    seeds = _sample_seeds(trial, maps, subset)
    name = f"draw-{subset}-{view}"
    writer = FrameWriter(trial.stages.run / SYNTHETIC / f"{subset}-{view}", maps, seeds)
    if not trial.stages.finished(name) or writer.written < len(maps):
        with trial.stages.measured(name) as noted:
            noted["items"] = len(maps) - writer.written
            _draw_missing(generator(), maps, seeds, writer, trial.report(name))
    return maps.with_images(writer.images())


def _draw_missing(
    generator: Generator, maps: LabelMaps, seeds: NDArray[np.int64], writer: FrameWriter, progress: Progress
) -> None:
    visible = maps if generator.needs_source_images else maps.without_images()
    for chunk in chunks(generator, writer.written, len(maps)):
        images = generator.sample(visible.select(chunk), seeds[chunk])
        writer.append(images[writer.written - chunk.start :])
        progress(writer.written, len(maps))


def chunks(generator: Generator, written: int, n: int) -> Iterator[slice]:
    """The maps that are not yet drawn of n, in parts for a call each.

    Wherever a kill came and however many processes draw, an image is drawn in a batch with the same others, so that it
    is the same bit for bit. For that the first part may begin with maps that are drawn already.
    """
    size = -(-CHUNK // generator.batch) * generator.batch * company()
    first = written - written % generator.batch if written < n else n
    return (slice(start, min(start + size, n)) for start in range(first, n, size))


def _maps(trial: Trial, view: str, subset: str) -> LabelMaps:
    """The maps of one view and subset.

    Departs from the paper [maps.validation]: one per frame, as its frames only select weights.
    """
    settings = trial.settings
    whose = "selection" if subset == "validation" else subset
    frames = trial.source.subset(whose, view).where(phases=settings.phases)
    repeats = _repeats(trial, view) if subset == "training" else np.ones(len(frames), dtype=np.intp)
    if not settings.backend.deforms:
        return undeformed_maps(frames.select(repeats > 0))
    return label_maps(frames, strength=settings.strength, repeats=repeats, seed=settings.seed)


def _repeats(trial: Trial, view: str) -> NDArray[np.intp]:
    """How many maps of each training frame of a view are drawn, (N,).

    A generator that deforms draws as many for few of the patients as for all of them, except for a mix.
    """
    settings, split = trial.settings, trial.source.split
    frames = trial.source.subset("training").where(phases=settings.phases)
    if settings.mix is not None:
        images = max(1, round(settings.mix * len(trial.frames("training"))))
    elif settings.backend.deforms:
        spared = trial.source.frames.where(patients=split.set_aside + split.selecting, phases=settings.phases)
        images = settings.images or settings.repeats * (len(frames) + len(spared))
    else:
        images = settings.images or len(frames)
    if images > len(frames) and not settings.backend.deforms:
        asked = f"images is {images}" if settings.mix is None else f"mix {settings.mix:g} is {images} images"
        raise EchobenchError(
            f"{asked}, but {settings.label} has {len(frames)} training frames and draws no others; "
            f"ask for {len(frames)} at most"
        )
    return repeats_for(frames, images, settings.seed)[frames.view == view]


def _sample_seeds(trial: Trial, maps: LabelMaps, subset: str) -> NDArray[np.int64]:
    """A seed for each map, the same however many maps of its frame there are."""
    per_frame = trial.settings.repeats if subset == "training" else 1
    number = maps.source_index * per_frame + repeat_numbers(maps.source_index)
    return item_seeds(maps.source, maps.source_index, number, f"sample/{trial.settings.seed}")
