"""The linear part of denoising, done in closed form, so that the network learns only what is left.

Space-to-depth turns a p×p square of pixels into one position of p² numbers. Echoes are smooth: of the 64
principal components of an 8×8 square a few carry the image and the others carry next to nothing, while noise
is alike in all. A network that predicts the velocity would have to carry the noise of all 64 through its layers;
short trainings fail at that and leave white noise in the images. But for each component the best *linear*
estimate of the velocity follows from its variance, the time and the component of x_t alone. This is the
preconditioning of Karras et al. 2022 (arXiv 2206.00364, Table 1), which has one variance for all pixels, with
one variance per component.
"""

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from echobench.generators.diffusion.network import Modulation, NetworkSettings, SpadeUNet
from echobench.generators.diffusion.schedule import Schedule
from echobench.generators.training.pairs import to_data

IMAGES_AT_ONCE = 64
SMALLEST_VARIANCE = 1e-4  # of a component: below the rounding of grey values to 8 bits


class PatchStatistics(nn.Module):
    """Mean, principal components and variances of the squares of pixels, of which images are made.

    mean: (); basis: (P, P), rows are components, orthonormal; variance: (P,), descending. P = patch².
    """

    mean: Tensor
    basis: Tensor
    variance: Tensor

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("basis", torch.eye(patch**2))
        self.register_buffer("variance", torch.ones(patch**2))

    @torch.no_grad()
    def measure(self, images: Tensor, sector: Tensor) -> Self:
        """Take the statistics of the squares that lie wholly inside the sector.

        images: (N, H, W) uint8; sector: (N, H, W) bool. With fewer squares than components nothing can be told,
        and pixels stay independent, of mean 0 and variance 1.
        """
        n, total, products = 0, torch.zeros_like(self.variance.double()), torch.zeros_like(self.basis.double())
        for some, inside in zip(torch.split(images, IMAGES_AT_ONCE), torch.split(sector, IMAGES_AT_ONCE), strict=True):
            squares = functional.pixel_unshuffle(to_data(some)[:, None], self.patch).movedim(1, -1)
            whole = functional.pixel_unshuffle(inside[:, None].float(), self.patch).amin(1) > 0
            values = squares[whole].double()
            n, total, products = n + len(values), total + values.sum(0), products + values.T @ values
        if n > len(total):
            mean = total.mean() / n
            shift = mean * total / n
            covariance = products / n - shift[:, None] - shift[None, :] + mean**2
            variance, vectors = torch.linalg.eigh(covariance)
            self.mean.copy_(mean)
            self.basis.copy_(vectors.T.flip(0))
            self.variance.copy_(variance.flip(0).clamp(min=SMALLEST_VARIANCE))
        return self

    def components(self, x: Tensor) -> Tensor:
        """x: (B, 1, H, W) -> (B, P, H/patch, W/patch)."""
        return functional.conv2d(functional.pixel_unshuffle(x, self.patch), self.basis[:, :, None, None])

    def pixels(self, components: Tensor) -> Tensor:
        """The inverse of `components`."""
        return functional.pixel_shuffle(functional.conv2d(components, self.basis.T[:, :, None, None]), self.patch)


class Denoiser(nn.Module):
    """The velocity of a noisy image under a label map: a closed-form linear estimate plus the network's part.

    The network sees x_t with unit variance, and predicts what remains after the schedule's `regression` of v on x_t, in
    units of its standard deviation.
    """

    def __init__(self, settings: NetworkSettings, schedule: Schedule) -> None:
        super().__init__()
        self.schedule, self.placed = schedule, settings.placed
        self.statistics = PatchStatistics(settings.patch)
        self.network = SpadeUNet(settings)

    def condition(self, planes: Tensor) -> Modulation:
        """See `SpadeUNet.condition`."""
        return self.network.condition(planes)

    def forward(self, x_t: Tensor, t: Tensor, modulation: Modulation) -> Tensor:
        """x_t: (B, 1, H, W); t: (B,) time step; the velocity, float32, shape of x_t."""
        statistics = self.statistics
        alpha, _ = self.schedule.alpha_sigma(t)
        total, slope, rest = self.schedule.regression(t, statistics.variance[:, None, None])
        mean = statistics.mean * modulation.sector.float() if self.placed else statistics.mean  # x_t is 0 outside
        with torch.autocast(x_t.device.type, enabled=False):  # noise must cancel to better than bf16
            centred = statistics.components(x_t - alpha * mean)
        remainder = self.network(centred * total.rsqrt(), t, modulation).float()
        velocity = slope * centred + rest.sqrt() * remainder
        with torch.autocast(x_t.device.type, enabled=False):
            return statistics.pixels(velocity) + self.schedule.share(t) * mean
