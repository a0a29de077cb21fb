"""`inpaint`: the real frame warped with its map, and a rectified flow where the warp has no pixels to give.

`warp` leaves black what comes from beyond the source's sector, and smears what it stretches. Here only these pixels are
drawn anew, to fit the others and the label map. The others are a patient's own, as those of `warp` are.

The weights are those of `flow`: `--generator-from` takes them from a run of it, and a comparison of both trains once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from echobench.data.base.errors import require
from echobench.data.maps import LabelMaps
from echobench.generators.diffusion.flow import FlowSamplingSettings
from echobench.generators.diffusion.own import Known
from echobench.generators.flow import QUICK as FLOW_QUICK
from echobench.generators.flow import STANDARD as FLOW_STANDARD
from echobench.generators.flow import Flow, FlowSettings
from echobench.generators.training.pairs import to_data
from echobench.generators.warp import pull, warped_image


@dataclass(frozen=True)
class InpaintSettings(FlowSettings):
    """A rectified flow, and what it draws."""

    stretch: float = 2.0
    """Pixels are drawn anew where one of the source's would cover more than so many of the image's."""

    def __post_init__(self) -> None:
        require(self, stretch=(1, inf))


def _of(flow: FlowSettings) -> InpaintSettings:
    return InpaintSettings(flow.path, flow.network, flow.training, FlowSamplingSettings(steps=8))


QUICK, STANDARD = _of(FLOW_QUICK), _of(FLOW_STANDARD)
"""As long a training as `flow` has. The record on CAMUS 4C is results/measured/camus-inpaint-standard."""
PAPER = replace(STANDARD, training=replace(STANDARD.training, steps=50_000))
"""A long training of the same network; nobody has published this one."""


class Inpaint(Flow):
    """Classical augmentation, with drawn pixels where it has none."""

    name: ClassVar[str] = "inpaint"
    kind: ClassVar[type] = InpaintSettings
    summary: ClassVar[str] = "the warped real frame; a flow draws what the warp left black or stretched"
    paper: ClassVar[str] = "after Lugmayr et al. 2022, arXiv 2201.09865, and `flow`"
    needs_source_images: ClassVar[bool] = True
    draws_with: ClassVar[tuple[str, ...]] = ("flow",)
    presets: ClassVar[Mapping[str, Any]] = MappingProxyType({"quick": QUICK, "standard": STANDARD, "paper": PAPER})

    settings: InpaintSettings

    @classmethod
    def upgraded(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """A file of `flow` says nothing of what is to be drawn anew."""
        return {"stretch": InpaintSettings.stretch, **super().upgraded(settings)}

    def redraw(self, settings: InpaintSettings) -> Self:  # type: ignore[override]
        """The same weights with another sampler or stretch; see `Generator.redraw`."""
        return self._redrawn(settings, "sampling", "stretch")

    def draw_maps(self, network: nn.Module, maps: LabelMaps, planes: Tensor, seeds: list[int]) -> Tensor:
        warped, given = zip(*(given_pixels(maps, i, self.settings.stretch) for i in range(len(maps))), strict=True)
        images, where = (torch.from_numpy(np.stack(part)).to(planes.device)[:, None] for part in (warped, given))
        return self.method.draw(network, planes, seeds, Known(to_data(images) * planes[:, -1:], where))


def given_pixels(maps: LabelMaps, i: int, stretch: float) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The warped image of map i, and where its pixels are a patient's: inside the source's sector, and not stretched by
    more than `stretch`. (H, W) each.

    One pixel of the source covers 1 / det(J) of the image's, J being the derivative of the position that a pixel is
    taken from.
    """
    positions = maps.deformation.positions(i, maps.size)
    (row_down, row_across), (column_down, column_across) = (np.gradient(axis) for axis in positions)
    covered = row_down * column_across - row_across * column_down
    inside = pull(maps.source.sector[maps.source_index[i]].astype(np.uint8) * np.uint8(255), positions) == 255
    return warped_image(maps, i, positions), maps.sector[i] & inside & (covered > 1 / stretch)
