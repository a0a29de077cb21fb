"""`Segmenter`: a trained network with the preprocessing it was trained on, in memory and in one file."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from echobench.data.base.differences import differences
from echobench.data.base.errors import EchobenchError
from echobench.data.base.saved import built_with, read_saved, require_json, taken_from, write_saved
from echobench.data.base.settings import settings_from
from echobench.data.base.typed import typed
from echobench.data.labels import vocabulary
from echobench.segmentation.networks import PAPER, network_module
from echobench.segmentation.settings import UNetSettings

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Preprocessing:
    """What is done to an image before the network sees it: nothing but (v / 255 - mean) / std.

    size_px: side of the square images. mean, std: of the training images' grey values in [0, 1].
    Kept with the weights, because a network is meaningless without it.
    Departs from the paper [unet.normalisation, unet.statistics]: every image is normalised as the training images were.
    """

    size_px: int
    mean: float
    std: float

    @classmethod
    def of(cls, images: NDArray[np.uint8]) -> Self:
        """The statistics of training images (N, S, S) uint8, from their histogram: exact, and no copy in float."""
        counts = np.bincount(images.reshape(-1), minlength=256).astype(np.float64)
        greys = np.arange(256) / 255
        mean = float((counts * greys).sum() / counts.sum())
        std = float(np.sqrt((counts * (greys - mean) ** 2).sum() / counts.sum()))
        if std == 0:
            raise EchobenchError("the training images are all of one grey value; there is nothing to learn from them")
        return cls(images.shape[-1], mean, std)

    def normalise(self, grey: Tensor) -> Tensor:
        """Network input from grey values in [0, 1], any shape."""
        return (grey - self.mean) / self.std


Forecast = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""What a network says of n images: the likeliest labels (n, S, S) and the probabilities (n, len(Label), S, S)."""


class _Saved(TypedDict):
    """What `Segmenter.save` writes."""

    settings: dict[str, Any]
    preprocessing: dict[str, Any]
    weights: dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A trained network, its settings and its preprocessing."""

    network: nn.Module
    settings: UNetSettings
    preprocessing: Preprocessing

    def predict(self, images: NDArray[np.uint8], *, batch_size: int = 16) -> NDArray[np.uint8]:
        """The likeliest label of every pixel: images (N, S, S) uint8 to labels (N, S, S) uint8.

        Runs on the device that holds the weights. Raises EchobenchError for another size than the training's.
        """
        labels = np.empty(images.shape, dtype=np.uint8)
        for start, logits in self._logits(images, batch_size):
            labels[start : start + batch_size] = _likeliest(logits)
        return labels

    def forecasts(self, images: NDArray[np.uint8], *, batch_size: int = 16) -> Iterator[Forecast]:
        """Likeliest labels, as `predict` gives them, with the probabilities of all, a batch at a time in the images'
        order: those of all images would fill the memory."""
        for _, logits in self._logits(images, batch_size):
            yield _likeliest(logits), logits.float().softmax(dim=1).cpu().numpy()

    def _logits(self, images: NDArray[np.uint8], batch_size: int) -> Iterator[tuple[int, Tensor]]:
        """The place of each batch's first image and the batch's logits (n, len(Label), S, S); see `predict`."""
        size = self.preprocessing.size_px
        if images.ndim != 3 or images.shape[1:] != (size, size):
            raise EchobenchError(
                f"this U-Net was trained on images of {size} x {size} px, these are {images.shape[1:]}; "
                "read them at that size"
            )
        device = next(self.network.parameters()).device
        for start in range(0, len(images), batch_size):
            with torch.inference_mode():  # not around the yield, where it would be on for the caller too
                batch = torch.tensor(images[start : start + batch_size], device=device)
                logits = self.network(self.preprocessing.normalise(batch[:, None] / 255))
            yield start, logits

    def encoder(self) -> nn.Module:
        """The network's layers down to the features of realism, see `Network.encoder`."""
        return network_module(self.settings.network).encoder(self.network)

    def save(self, path: Path) -> None:
        """Write weights, settings, preprocessing and label vocabulary to one file, atomically."""
        content = {
            "format_version": FORMAT_VERSION,
            "labels": vocabulary(),
            "settings": self.settings.as_dict(),
            "preprocessing": asdict(self.preprocessing),
            "weights": self.network.state_dict(),
        }
        write_saved(path, content)

    @classmethod
    def load(cls, path: Path, *, settings: UNetSettings | None = None, device: str = "cpu") -> Self:
        """Read what `save` wrote; no code in the file is run.

        settings: what the file must have been trained with; None takes what it has.
        Raises EchobenchError where the format, the label vocabulary or the settings differ, naming the difference.
        """
        content = read_content(path, {"labels", "settings", "preprocessing", "weights"})
        refuse_difference(path, "label codes", content["labels"], vocabulary())
        with taken_from(path):
            typed(content, _Saved)
            stored = settings_from(UNetSettings, {"network": PAPER} | content["settings"], path)
            preprocessing = typed(content["preprocessing"], Preprocessing, "preprocessing")
            if preprocessing.size_px != stored.image_size_px or not preprocessing.std > 0:
                raise ValueError(f"its preprocessing is {preprocessing}")
        if settings is not None:
            refuse_difference(path, "settings", asdict(stored), asdict(settings))
        with taken_from(path):
            network = built_with(content["weights"], lambda: stored.build(seed=0))
        return cls(network.to(device).eval(), stored, preprocessing)


def _likeliest(logits: Tensor) -> NDArray[np.uint8]:
    return logits.argmax(dim=1).to("cpu", torch.uint8).numpy()


def refuse_difference(path: Path, what: str, stored: Any, wanted: Any) -> None:
    """EchobenchError that names where `stored` (in the file) and `wanted` differ; nothing happens if they are equal."""
    with taken_from(path):
        require_json(stored, what)
    if stored == wanted:
        return
    if isinstance(stored, dict) and isinstance(wanted, dict):
        detail = "; ".join(differences(stored, wanted, "{name} is {found} there, {wanted} here"))
    else:
        detail = f"{stored} there, {wanted} here"
    raise EchobenchError(f"{path} was written with other {what}: {detail}. Use another file or the same {what}.")


def read_content(path: Path, keys: set[str]) -> dict[str, Any]:
    """What `write_saved` wrote, with these keys; EchobenchError if it is missing, broken, not finite or else."""
    content = read_saved(path)
    if not keys <= content.keys():
        raise EchobenchError(f"{path} does not hold {', '.join(sorted(keys))}; is it another kind of file?")
    refuse_difference(path, "format version", content.get("format_version"), FORMAT_VERSION)
    return content
