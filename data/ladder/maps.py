"""Extreme label maps out of frames: what a generator is asked to draw, and what was left out and why."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from echobench.data.deform import join, pull_labels
from echobench.data.frames import Frames
from echobench.data.ladder.anatomy import HeartMap, NotApplicable
from echobench.data.ladder.ladder import find_stress
from echobench.data.maps import LabelMaps, item_seeds


@dataclass(frozen=True)
class Skip:
    """A frame to which a stress was not applied."""

    patient: str
    view: str
    phase: str
    reason: str


@dataclass(frozen=True, eq=False)
class StressedMaps:
    """maps: one for each frame that the stress applies to; `maps.source_index` names it. skipped: the others."""

    maps: LabelMaps
    skipped: tuple[Skip, ...]


def stress_maps(frames: Frames, name: str, severity: float, seed: int) -> StressedMaps:
    """The map of every frame under a stress; each depends on its frame, the severity and the seed alone.

    The random choices of a stress (left or right, say) are the same at every severity, so that the severities of a
    frame form one ladder. Which frames are skipped may differ: some have room for a mild stress only. Each map keeps
    the deformation by which `warp` draws it, with the severity for its strength; where the stress says
    `cannot_warp`, that is the identity.

    Raises EchobenchError for an unknown name or a severity outside 0..1, and NotApplicable where no frame is left.
    """
    stress = find_stress(name)
    n = len(frames)
    seeds = item_seeds(frames, np.arange(n), np.zeros(n, dtype=np.intp), f"stress/{name}/{seed}")
    kept, labels, deformations, skipped = [], [], [], []
    for j in range(n):
        try:
            if frames.view[j] not in stress.views:
                raise NotApplicable(f"the view does not show it; {', '.join(stress.views)} does")
            heart = HeartMap(frames.labels[j], frames.sector[j], frames.spacing_mm[j])
            drawn, deformation = stress.apply(heart, severity, int(seeds[j]))
        except NotApplicable as error:
            skipped.append(Skip(str(frames.patient[j]), str(frames.view[j]), str(frames.phase[j]), str(error)))
            continue
        kept.append(j)
        labels.append(drawn)
        deformations.append(deformation)
    if not kept:
        raise NotApplicable(f"stress {name} applies to none of {n} frames: {skipped[0].reason}")
    index = np.array(kept, dtype=np.intp)
    maps = LabelMaps(np.array(labels), frames.sector[index], frames, index, join(deformations))
    return StressedMaps(maps, tuple(skipped))


def reached_sector(maps: LabelMaps) -> NDArray[np.bool_]:
    """(N, H, W) the part of each map's sector that the deformation fills from inside the source's sector.

    Elsewhere `warp` is black: structures that the source's edge cut off have no wall there, and a contrast taken
    over all of the sector would hold that against it.
    """
    reached = np.empty_like(maps.sector)
    for i, j in enumerate(maps.source_index):
        lit = maps.source.sector[j].astype(np.uint8)
        reached[i] = maps.sector[i] & pull_labels(lit, maps.deformation.positions(i, maps.size)).astype(bool)
    return reached
