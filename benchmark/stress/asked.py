"""What one deformation asks of every generator: maps of all severities, and how an image for them is measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.benchmark.stress.boundaries import boundary_contrast
from echobench.data.deform import join
from echobench.data.frames import Frames
from echobench.data.labels import TABLE_REGIONS
from echobench.data.ladder.anatomy import NotApplicable, smooth
from echobench.data.ladder.maps import Skip, reached_sector, stress_maps
from echobench.data.maps import LabelMaps, item_seeds, undeformed_maps
from echobench.generators.base import Generator
from echobench.results.evidence.adherence import UNDEFORMED
from echobench.results.records.stress import STRESS_COLUMNS
from echobench.segmentation.scores import region_dice
from echobench.segmentation.segmenter import Segmenter

OTHERS = 5


@dataclass(frozen=True, eq=False)
class Asked:
    """maps: N of them, or None where the deformation applies to no frame. severity: (N,). where: (N, H, W), where
    contrast is measured. skipped: by severity, the frames that it does not apply to."""

    deformation: str
    maps: LabelMaps | None
    severity: NDArray[np.float64]
    where: NDArray[np.bool_]
    skipped: tuple[tuple[float, Skip], ...] = ()


def undeformed(frames: Frames) -> Asked:
    """The frames' own maps: severity 0 of everything."""
    return Asked(UNDEFORMED, undeformed_maps(frames), np.zeros(len(frames)), frames.sector)


def asked(frames: Frames, deformation: str, severities: Sequence[float], seed: int) -> Asked:
    """The maps of the frames under one deformation, severity by severity."""
    parts: list[LabelMaps] = []
    severity: list[float] = []
    skipped: list[tuple[float, Skip]] = []
    for step in severities:
        try:
            stressed = stress_maps(frames, deformation, step, seed)
        except NotApplicable as error:
            skipped += [(step, Skip(str(p), str(v), str(f), str(error))) for p, v, f in _names(frames)]
            continue
        parts.append(stressed.maps)
        severity += [step] * len(stressed.maps)
        skipped += [(step, skip) for skip in stressed.skipped]
    maps = _joined(parts) if parts else None
    where = reached_sector(maps) if maps else np.empty((0, *frames.size), dtype=bool)
    return Asked(deformation, maps, np.array(severity), where, tuple(skipped))


def drawn(generator: Generator, maps: LabelMaps, seed: int) -> NDArray[np.uint8]:
    """An image for each map, (N, H, W); a frame has one sampling seed for all deformations and severities."""
    per_frame = item_seeds(
        maps.source, np.arange(len(maps.source)), np.zeros(len(maps.source), dtype=np.intp), f"stress-sample/{seed}"
    )
    visible = maps if generator.needs_source_images else maps.without_images()
    return generator.sample(visible, per_frame[maps.source_index])


def measured(
    question: Asked, maps: LabelMaps, images: NDArray[np.uint8], before: NDArray[np.uint8], judge: Segmenter, label: str
) -> pd.DataFrame:
    """Rows of stress.csv for the images (N, H, W) that one generator drew.

    before: (M, H, W) what it drew for the M frames' own maps, as if it had ignored the deformation. Where nothing is
    deformed, each image is held beside the maps of `OTHERS` other frames, one of each patient.
    """
    frames, seen = replace(maps.with_images(images), sector=question.where), judge.predict(images)
    if question.deformation == UNDEFORMED:
        turns = range(1, min(len(maps), OTHERS + 1))
        values = start = _values(frames, seen)
        ignoring = [_values(replace(frames, labels=np.roll(frames.labels, turn, axis=0)), seen) for turn in turns]
    else:
        undeformed, seen_before = replace(maps.source, images=before), judge.predict(before)
        smoothed = [smooth(*pair) for pair in zip(undeformed.labels, undeformed.spacing_mm, strict=True)]
        undeformed = replace(undeformed, labels=np.array(smoothed)).select(maps.source_index)
        seen_before = seen_before[maps.source_index]
        values = _values(frames, seen, undeformed.labels)
        start = _values(undeformed, seen_before, frames.labels)
        ignoring = [_values(replace(frames, images=undeformed.images), seen_before, undeformed.labels)]
    rows = [
        pd.DataFrame(
            {
                "generator": label,
                "deformation": question.deformation,
                "severity": question.severity,
                "patient": frames.patient,
                "structure": structure,
                "measure": measure,
                "value": value,
                "start": start[measure][structure],
                "ignored": pd.DataFrame([one[measure][structure] for one in ignoring]).mean() if ignoring else np.nan,
            }
        )
        for measure, structures in values.items()
        for structure, value in structures.items()
    ]
    return pd.concat(rows, ignore_index=True)[list(STRESS_COLUMNS)]


def _values(
    frames: Frames, seen: NDArray[np.uint8], other: NDArray[np.uint8] | None = None
) -> dict[str, dict[str, Any]]:
    """Every measure of every structure, (N,) each.

    seen: (N, H, W) what the judge sees. other: see `boundary_contrast`.
    Dice is 1 where neither the map nor the judge has a structure: nothing was asked for, and nothing is there.
    """
    dice = region_dice(frames.labels, seen)
    return {
        "dice": {region: np.nan_to_num(dice[region], nan=1.0) for region in TABLE_REGIONS},
        "contrast": dict(boundary_contrast(frames, other=other)),
    }


def _joined(parts: Sequence[LabelMaps]) -> LabelMaps:
    """Maps of the same source frames, one after another."""
    return LabelMaps(
        labels=np.concatenate([part.labels for part in parts]),
        sector=np.concatenate([part.sector for part in parts]),
        source=parts[0].source,
        source_index=np.concatenate([part.source_index for part in parts]),
        deformation=join([part.deformation for part in parts]),
    )


def _names(frames: Frames) -> list[tuple[str, str, str]]:
    return list(zip(frames.patient.tolist(), frames.view.tolist(), frames.phase.tolist(), strict=True))
