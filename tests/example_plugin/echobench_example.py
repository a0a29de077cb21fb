"""A generator in a package of its own: noise that is as bright as its label says."""

from dataclasses import dataclass

import numpy as np

from echobench.generators.base import Generator


@dataclass(frozen=True)
class ExampleSettings:
    grey: tuple[int, ...] = (80, 20, 160, 40)  # of background, cavity, wall, atrium


class Example(Generator):
    summary = "noise whose brightness depends on the label"
    paper = ""
    trained = False
    needs_source_images = False
    deforms = True
    presets = {name: ExampleSettings() for name in ("quick", "standard", "paper")}  # noqa: RUF012
    parameters = evaluations = 0

    def fit(self, frames, seed, *, folder=None, progress=None):
        return self

    def sample(self, maps, seeds, *, progress=None):
        noise = [np.random.default_rng(seed).uniform(0.5, 1.5, maps.size) for seed in seeds]
        return (np.array(self.settings.grey)[maps.labels] * noise * maps.sector).astype(np.uint8)

    def save(self, path):
        path.touch()

    @classmethod
    def load(cls, path, device="cpu"):
        return cls(ExampleSettings(), device)
