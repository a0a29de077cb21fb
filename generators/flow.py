"""`flow`: a rectified flow, which draws an echocardiogram in a few straight steps from noise under a label map.

The network, its preconditioning and its budget are those of `sdm`. What differs is the path between image and noise,
the times at which it is learnt, and the solver. A table of both answers which of the two is worth its seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

from echobench.generators.diffusion.flow import FlowMethod, FlowSamplingSettings, PathSettings
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.training import TrainingSettings
from echobench.generators.sdm import QUICK as SDM_QUICK
from echobench.generators.sdm import STANDARD as SDM_STANDARD
from echobench.generators.sdm import SemanticDiffusion


@dataclass(frozen=True)
class FlowSettings:
    """The parts of a rectified flow."""

    path: PathSettings
    network: NetworkSettings
    training: TrainingSettings
    sampling: FlowSamplingSettings


def _like(sdm: object) -> FlowSettings:
    """The network and the training of an `sdm`."""
    return FlowSettings(PathSettings(), sdm.network, sdm.training, FlowSamplingSettings())  # type: ignore[attr-defined]


QUICK = _like(SDM_QUICK)
"""As long a training as `sdm` has."""
STANDARD = _like(SDM_STANDARD)
"""As long a training as `sdm` has. Its records on CAMUS 4C are results/measured/camus-evaluations and camus-minutes,
and camus-flow-standard.

Tried before that, with AdamW: after 800 steps of 8 frames in the network of `QUICK`, on validation maps of CAMUS 4C,
chambers, septum and valve lie where the map says. In 4 evaluations the images are smooth, without speckle; in 20 they
have some, and more contrast.
"""
PAPER = replace(STANDARD, training=replace(STANDARD.training, steps=50_000))
"""A long training of the same network: nobody has published a flow of the size of the paper's model for CAMUS."""


class Flow(SemanticDiffusion):
    """Rectified flow: noise becomes an image along a nearly straight line, in a few evaluations of the network."""

    name: ClassVar[str] = "flow"
    kind: ClassVar[type] = FlowSettings
    summary: ClassVar[str] = "rectified flow: the network of sdm, and a straight path from noise to image"
    paper: ClassVar[str] = "Liu et al. 2022, arXiv 2209.03003; Lipman et al. 2022, arXiv 2210.02747"
    presets: ClassVar[Mapping[str, FlowSettings]] = MappingProxyType(  # type: ignore[assignment]
        {"quick": QUICK, "standard": STANDARD, "paper": PAPER}
    )

    settings: FlowSettings  # type: ignore[assignment]

    @property
    def method(self) -> FlowMethod:
        own = self.settings
        return FlowMethod(own.path, own.network, own.training, own.sampling)
