"""`Segmenter`: a trained network with the preprocessing it was trained on, in memory and in one file."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from echobench.data.base.differences import differences
from echobench.data.base.errors import TOO_LARGE, EchobenchError, is_short_of_memory
from echobench.data.base.files import writing_whole
from echobench.data.base.finite import require_finite
from echobench.data.base.settings import settings_from
from echobench.data.labels import vocabulary
from echobench.segmentation.networks import PAPER, network_module
from echobench.segmentation.settings import UNetSettings

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Preprocessing:
    """What is done to an image before the network sees it: nothing but (v / 255 - mean) / std.

    size_px: side of the square images. mean, std: of the training images' grey values in [0, 1].
    Kept with the weights, because a network is meaningless without it.
    Departs from the paper [unet.normalisation, unet.statistics]: every image is seen as those were that it learnt from.
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
        size = self.preprocessing.size_px
        if images.ndim != 3 or images.shape[1:] != (size, size):
            raise EchobenchError(
                f"this U-Net was trained on images of {size} x {size} px, these are {images.shape[1:]}; "
                "read them at that size"
            )
        device = next(self.network.parameters()).device
        labels = np.empty(images.shape, dtype=np.uint8)
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                batch = torch.tensor(images[start : start + batch_size], device=device)
                logits = self.network(self.preprocessing.normalise(batch[:, None] / 255))
                labels[start : start + batch_size] = logits.argmax(dim=1).to("cpu", torch.uint8).numpy()
        return labels

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
        write_content(path, content)

    @classmethod
    def load(cls, path: Path, *, settings: UNetSettings | None = None, device: str = "cpu") -> Self:
        """Read what `save` wrote; no code in the file is run.

        settings: what the file must have been trained with; None takes what it has.
        Raises EchobenchError where the format, the label vocabulary or the settings differ, naming the difference.
        """
        content = read_content(path, {"labels", "settings", "preprocessing", "weights"})
        refuse_difference(path, "label codes", content["labels"], vocabulary())
        stored = settings_from(UNetSettings, {"network": PAPER} | content["settings"], path)
        if settings is not None:
            refuse_difference(path, "settings", asdict(stored), asdict(settings))
        network = stored.build(seed=0)
        network.load_state_dict(content["weights"])
        return cls(network.to(device).eval(), stored, Preprocessing(**content["preprocessing"]))


def refuse_difference(path: Path, what: str, stored: Any, wanted: Any) -> None:
    """EchobenchError that names where `stored` (in the file) and `wanted` differ; nothing if they are equal."""
    if stored == wanted:
        return
    if isinstance(stored, dict) and isinstance(wanted, dict):
        detail = "; ".join(differences(stored, wanted, "{name} is {found} there, {wanted} here"))
    else:
        detail = f"{stored} there, {wanted} here"
    raise EchobenchError(f"{path} was written with other {what}: {detail}. Use another file or the same {what}.")


def write_content(path: Path, content: dict[str, Any]) -> None:
    """What `read_content` reads, in place of what was there; see `writing_whole`.

    Raises EchobenchError for numbers that are not finite; the file that was there stays.
    """
    require_finite(content, f"what {path} is to hold")
    with writing_whole(path) as stream:
        torch.save(content, stream)


def read_content(path: Path, keys: set[str]) -> dict[str, Any]:
    """What `write_content` wrote, tensors on the CPU; EchobenchError if it is missing, broken, not finite or else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise EchobenchError(f"there is no file {path}") from None
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        if is_short_of_memory(error):
            raise EchobenchError(TOO_LARGE.format(path=path)) from error
        raise EchobenchError(f"{path} cannot be read as saved weights: {error}") from error
    if not isinstance(content, dict) or not keys <= content.keys():
        raise EchobenchError(f"{path} does not hold {', '.join(sorted(keys))}; is it another kind of file?")
    refuse_difference(path, "format version", content.get("format_version"), FORMAT_VERSION)
    require_finite(content, path)
    return content
