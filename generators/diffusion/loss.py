"""What the network is asked to learn."""

from torch import Tensor, nn

from echobench.generators.diffusion.preconditioning import Denoiser


class DiffusionLoss(nn.Module):
    """Squared error of the velocity inside the sector, mean over pixels, then over images.

    Departs from the paper [sdm.loss]: outside the sector an image is 0 by definition; to learn to carry noise there
    from input to output costs capacity and gives nothing.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x_0: Tensor, planes: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        """x_0, epsilon: (B, 1, H, W); planes: (B, PLANES, H, W); t: (B,). The mean loss, ().

        Under bf16-mixed Fabric hands all of them over in bf16, grey values included (8 bits of precision for 8 bits).
        """
        mask = planes[:, -1:]
        x_t = self.denoiser.schedule.add_noise(x_0, epsilon, t) * mask
        predicted = self.denoiser(x_t, t, self.denoiser.condition(planes))
        error = (predicted - self.denoiser.schedule.velocity(x_0, epsilon, t)).square() * mask
        loss: Tensor = (error.sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp(min=1)).mean()
        return loss
