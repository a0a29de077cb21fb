"""What images are compared in: features of the reference U-Net, and of InceptionV3 where its weights are at hand.

Both are feature extractors of torch-fidelity.
"""

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY, register_feature_extractor
from torch_fidelity.utils import create_feature_extractor, get_featuresdict_from_dataset

from echobench.benchmark.measure.realism.weights import find_inception
from echobench.data.base.errors import TOO_LARGE, EchobenchError, is_short_of_memory
from echobench.data.base.files import file_sha256
from echobench.segmentation.segmenter import Segmenter

UNET = "echobench-unet"
"""The reference U-Net's name in torch-fidelity. Distances in its features are FD-UNet and KD-UNet, never FID."""
BOTTLENECK = "bottleneck"
INCEPTION = "inception-v3-compat"
_POOL = "2048"  # InceptionV3's last average pooling, that of FID


class UNetFeatures(FeatureExtractorBase):  # type: ignore[misc]
    """Features of the U-Net's bottleneck: images (N, 3, S, S) uint8, three times the same grey, to (N, C).

    C is the number of channels at the bottom, 256 in the paper's network. A feature is a channel's mean over the
    image, in the layer that the network's own `encoder` ends with.

    After `register_unet`, torch-fidelity takes it by name: `calculate_metrics(..., feature_extractor="echobench-unet",
    feature_extractor_weights_path="unet-0.pt")`, a file that `Segmenter.save` wrote. segmenter: one in memory instead.
    """

    def __init__(
        self,
        name: str,
        features_list: list[str],
        feature_extractor_weights_path: str | None = None,
        segmenter: Segmenter | None = None,
        **_: Any,  # torch-fidelity hands every extractor all of its settings
    ) -> None:
        super().__init__(name, features_list)
        if segmenter is None:
            if feature_extractor_weights_path is None:
                raise EchobenchError(f"{UNET} needs a file of a trained U-Net as feature_extractor_weights_path")
            segmenter = Segmenter.load(Path(feature_extractor_weights_path))
        self.preprocessing = segmenter.preprocessing
        self.encoder = copy.deepcopy(segmenter.encoder())  # torch-fidelity freezes and moves what it is given

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        """The one layer there is."""
        return (BOTTLENECK,)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        """The same for every metric."""
        return BOTTLENECK

    @staticmethod
    def can_be_compiled() -> bool:
        return False

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.encoder(self.preprocessing.normalise(images[:, :1] / 255)).mean(dim=(2, 3)),)


def register_unet() -> None:
    """Make `echobench-unet` known to torch-fidelity, once."""
    if UNET not in FEATURE_EXTRACTORS_REGISTRY:
        register_feature_extractor(UNET, UNetFeatures)


@dataclass(frozen=True, eq=False)
class Extractor:
    """A network that features come from, and what a table has to say about it.

    weights_sha256: of InceptionV3's file; of the U-Net's tensors, so that it does not matter where they lie.
    resize, channels: what is done to an image on the way in.
    """

    name: str
    weights_sha256: str
    resize: str
    channels: str
    layer: str
    network: FeatureExtractorBase
    device: torch.device

    def features(self, images: NDArray[np.uint8], *, batch_size: int = 64) -> NDArray[np.float64]:
        """(N, D) features of grey images (N, H, W) uint8, a batch in memory at a time."""
        features = get_featuresdict_from_dataset(
            _ThreeChannels(images),
            self.network,
            batch_size,
            cuda=self.device.type == "cuda",
            save_cpu_ram=True,  # no worker processes
            verbose=False,
        )
        return features[self.layer].double().numpy()

    def provenance(self) -> dict[str, str]:
        """Columns of a table of metrics."""
        return {
            "extractor": self.name,
            "weights_sha256": self.weights_sha256,
            "resize": self.resize,
            "channels": self.channels,
        }


def unet_extractor(segmenter: Segmenter) -> Extractor:
    """The features of a trained U-Net, on the device that holds its weights."""
    register_unet()
    device = next(segmenter.network.parameters()).device
    return Extractor(
        name=UNET,
        weights_sha256=_sha256_of_tensors(segmenter.network),
        resize="none",
        channels="grey",
        layer=BOTTLENECK,
        network=_create(UNET, BOTTLENECK, device, segmenter=segmenter),
        device=device,
    )


def inception_extractor(weights: Path | None, device: torch.device) -> Extractor | None:
    """InceptionV3 as FID has it, from what `find_inception` finds; None where that is nothing.

    Raises EchobenchError for a file that is not there or does not hold torch-fidelity's InceptionV3.
    """
    path = find_inception(weights)
    if path is None:
        return None
    try:
        torch.load(path, map_location="cpu", weights_only=True)  # torch-fidelity itself would run code in the file
        network = _create(INCEPTION, _POOL, device, feature_extractor_weights_path=str(path))
    except Exception as error:  # whatever the wrong bytes lead to
        if is_short_of_memory(error):
            raise EchobenchError(TOO_LARGE.format(path=path)) from error
        raise EchobenchError(
            f"{path} does not hold torch-fidelity's weights of InceptionV3; they come from {URL_INCEPTION_V3}"
        ) from error
    return Extractor(
        name=INCEPTION,
        weights_sha256=file_sha256(path),
        resize="bilinear as in TensorFlow 1, 299×299",
        channels="grey three times",
        layer=_POOL,
        network=network,
        device=device,
    )


def _create(name: str, layer: str, device: torch.device, **settings: Any) -> FeatureExtractorBase:
    return create_feature_extractor(name, [layer], cuda=device.type == "cuda", verbose=False, **settings)


def _sha256_of_tensors(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


class _ThreeChannels(Dataset[Tensor]):
    """Grey images as torch-fidelity takes images: (3, H, W) uint8."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: int) -> Tensor:
        return torch.tensor(self._images[i]).expand(3, -1, -1)
