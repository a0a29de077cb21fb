"""What a stress is: a change of label maps by a severity, and the claims that the changed map is held to."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.deform import Deformation, field_deformation, pull_labels
from echobench.data.frames import VIEWS
from echobench.data.labels import Label
from echobench.data.ladder.anatomy import Array, HeartMap, smooth, without_crumbs
from echobench.data.ladder.claims import Claim

Kind = Literal["geometric", "anatomical"]


@dataclass(frozen=True)
class Stress(ABC):
    """A named change of a label map.

    description: one line. claims: what every map that it makes is checked for. views: those in which what it changes
    is seen. needs: structures without which it does not apply. cannot_warp: why no displacement field makes this map,
    so that `warp` has no image for it; empty where one does.
    """

    kind: Kind
    description: str
    claims: tuple[Claim, ...]
    views: tuple[str, ...] = VIEWS
    needs: tuple[Label, ...] = (Label.LV_ENDO,)
    cannot_warp: str = ""

    def apply(self, heart: HeartMap, severity: float, seed: int) -> tuple[NDArray[np.uint8], Deformation]:
        """The changed labels (H, W) and the one deformation that goes with them.

        Severity 0 is the identity. What is changed is clipped to the sector except where the map lay outside of it,
        as in `deformed_maps`. A function of its arguments alone. Raises EchobenchError for a severity outside of
        0..1, and NotApplicable for a map that lacks what is to be changed or for which a claim fails.
        """
        if not 0 <= severity <= 1:
            raise EchobenchError(f"the severity of a stress lies between 0 (none) and 1, got {severity:g}")
        for label in self.needs:
            heart.need(label)
        labels, displacement_mm = self._change(heart, severity, seed)
        if severity == 0:
            return heart.labels, _deformation(np.zeros_like(displacement_mm), heart, severity, seed)
        deformation = _deformation(displacement_mm, heart, severity, seed)
        if labels is None:
            labels = pull_labels(heart.labels, deformation.positions(0, heart.labels.shape))
        labels = _clipped(smooth(labels, heart.spacing_mm), heart)
        labels = _clipped(without_crumbs(labels, heart.spacing_mm), heart)
        changed = replace(heart, labels=labels)
        for claim in self.claims:
            claim.check(heart, changed, severity)
        return labels, deformation

    @abstractmethod
    def _change(self, heart: HeartMap, severity: float, seed: int) -> tuple[NDArray[np.uint8] | None, Array]:
        """Labels, None where they follow from the displacement field; and that field in mm, (2, H, W)."""


@dataclass(frozen=True, kw_only=True)
class Displaced(Stress):
    """Labels pulled through a displacement field, as `warp` pulls the image."""

    field: Callable[[HeartMap, float, int], Array]

    def _change(self, heart: HeartMap, severity: float, seed: int) -> tuple[None, Array]:
        return None, self.field(heart, severity, seed)


@dataclass(frozen=True, kw_only=True)
class Relabelled(Stress):
    """Something cut, removed or added; the deformation beside it is the identity."""

    relabel: Callable[[HeartMap, float, int], NDArray[np.uint8]]

    def _change(self, heart: HeartMap, severity: float, seed: int) -> tuple[NDArray[np.uint8], Array]:
        return self.relabel(heart, severity, seed), np.zeros_like(heart.grid_mm)


def _deformation(displacement_mm: Array, heart: HeartMap, severity: float, seed: int) -> Deformation:
    pixels = (displacement_mm / np.asarray(heart.spacing_mm)[:, None, None]).astype(np.float32)
    return field_deformation(pixels[None], np.array([seed]), np.array([float(severity)]))


def _clipped(labels: NDArray[np.uint8], heart: HeartMap) -> NDArray[np.uint8]:
    allowed = heart.sector | (heart.labels != Label.BACKGROUND)
    return np.where(allowed, labels, np.uint8(Label.BACKGROUND))
