"""The reference segmenter of `stress`: a U-Net trained on real frames that were deformed as far as the ladder goes."""

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from echobench.data.base.progress import Progress, silent
from echobench.data.deform import join
from echobench.data.frames import Frames, concatenate
from echobench.data.labels import Label
from echobench.data.ladder.anatomy import HeartMap, NotApplicable
from echobench.data.ladder.ladder import STRESSES
from echobench.data.ladder.stress import Stress
from echobench.data.maps import LabelMaps, item_seeds, label_maps
from echobench.generators.warp import Warp, WarpSettings
from echobench.segmentation.settings import UNetSettings

SELECTING = 0.1
"""Share of the training patients whose frames choose the weights: those whose maps are stressed stay unseen."""
STRENGTH = 2.0
"""Of the random deformations, the paper's being 1."""


@dataclass(frozen=True)
class JudgeSettings:
    """unet: network and budget. repeats: images of every training frame that are deformed by the ladder; one more is
    deformed at random, and one is as it is. ladder: see `ladder_fingerprint`."""

    unet: UNetSettings
    repeats: int
    ladder: str

    def as_dict(self) -> dict[str, Any]:
        """As records and hashes have the settings."""
        return {"unet": self.unet.as_dict(), "repeats": self.repeats, "ladder": self.ladder}


def ladder_fingerprint() -> str:
    """Of the deformations that a judge learns from: their names, and what each makes of one fixed map."""
    return _fingerprint(tuple(_learnt().items()))


@cache
def _fingerprint(stresses: tuple[tuple[str, Stress], ...]) -> str:
    heart, found = _fixed_heart(), hashlib.sha256()
    for name, stress in stresses:
        for severity in (0.5, 1.0):
            try:
                made = stress.apply(heart, severity, seed=0)[0].tobytes()
            except NotApplicable as error:
                made = str(error).encode()
            found.update(f"{name} {severity} ".encode() + made)
    return found.hexdigest()[:16]


def _fixed_heart() -> HeartMap:
    """A ventricle and an atrium out of leaning ellipses, (96, 96) pixels of 1.3 mm; all of the ladder applies."""
    down, across = 1.3 * np.indices((96, 96)) + np.array([0.5, -57.7])[:, None, None]
    lean = across - 0.11 * (down - 50)
    wall, cavity, atrium = (
        ((down - middle) / length) ** 2 + (lean / width) ** 2 < 1
        for middle, length, width in ((50, 37, 26), (50, 29, 17), (86, 15, 17))
    )
    above = down <= 71
    labels = np.select([cavity & above, wall & above, atrium & ~above], [Label.LV_ENDO, Label.LV_MYO, Label.LA], 0)
    return HeartMap(labels.astype(np.uint8), np.abs(across) < 4 + 0.8 * down, np.array([1.3, 1.3]))


def _learnt() -> dict[str, Stress]:
    """The deformations that a warping makes, so that there are images of them to learn from."""
    return {name: stress for name, stress in STRESSES.items() if not stress.cannot_warp}

    def as_dict(self) -> dict[str, Any]:
        """As records and hashes have the settings."""
        return {"unet": self.unet.as_dict(), "repeats": self.repeats}


def judge_frames(frames: Frames, repeats: int, seed: int, progress: Progress = silent) -> Frames:
    """Real frames as they are, deformed at random, and `repeats` times by the ladder, each at a severity of its own."""
    at_random = label_maps(frames, strength=STRENGTH, repeats=1, seed=seed)
    by_ladder = _on_the_ladder(frames, repeats, seed, progress)
    return concatenate([frames, *(_warped(maps) for maps in (at_random, by_ladder) if len(maps))])


def divided(training: Frames) -> tuple[Frames, Frames]:
    """Frames of training patients: those that train the judge, and those that choose its weights."""
    patients = sorted(set(training.patient.tolist()))
    number = max(1, round(SELECTING * len(patients)))
    return training.where(patients=patients[:-number]), training.where(patients=patients[-number:])


def _on_the_ladder(frames: Frames, repeats: int, seed: int, progress: Progress) -> LabelMaps:
    """Maps of deformations drawn at random; one that does not apply is left out."""
    names = list(_learnt())
    index, repeat = np.divmod(np.arange(len(frames) * repeats), max(repeats, 1))
    seeds = item_seeds(frames, index, repeat, f"judge/{seed}")
    kept, labels, deformations = [], [], []
    for number, (j, item) in enumerate(zip(index, seeds, strict=True), start=1):
        rng = np.random.default_rng(int(item))
        stress, severity = STRESSES[str(rng.choice(names))], float(rng.uniform())
        heart = HeartMap(frames.labels[j], frames.sector[j], frames.spacing_mm[j])
        progress(number, len(index))
        try:
            drawn, deformation = stress.apply(heart, severity, int(item))
        except NotApplicable:
            continue
        kept.append(j)
        labels.append(drawn)
        deformations.append(deformation)
    rows = np.array(kept, dtype=np.intp)
    return LabelMaps(np.array(labels), frames.sector[rows], frames, rows, join(deformations))


def _warped(maps: LabelMaps) -> Frames:
    return maps.with_images(Warp(WarpSettings()).sample(maps, np.zeros(len(maps), dtype=np.int64)))
