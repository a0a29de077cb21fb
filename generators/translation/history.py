"""Drawn pictures of earlier steps, shown to a discriminator among those of today."""

import torch
from torch import Tensor


class History:
    """A pool of drawn pictures (Shrivastava et al. 2017, arXiv 1612.07828, section 2.3; size 50 in Zhu et al. 2017).

    Every picture that comes in is, with even odds, kept in the place of a random one, which goes out instead.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.pictures: list[Tensor] = []
        """(C, H, W) each; part of a checkpoint."""

    def exchange(self, drawn: Tensor, generator: torch.Generator) -> Tensor:
        """drawn: (B, C, H, W), detached -> what the discriminator sees, same shape; generator: on the CPU."""
        return torch.stack([self._exchange(picture, generator) for picture in drawn])

    def _exchange(self, picture: Tensor, generator: torch.Generator) -> Tensor:
        if len(self.pictures) < self.size:
            self.pictures.append(picture)
            return picture
        if torch.rand((), generator=generator) < 0.5:
            return picture
        place = int(torch.randint(self.size, (), generator=generator))
        earlier, self.pictures[place] = self.pictures[place], picture
        return earlier
