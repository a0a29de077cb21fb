"""Feature networks that are known, and where their weights lie. Nothing is downloaded unless it is asked for."""

import os
import re
from pathlib import Path

import torch
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256, typed_path
from echobench.results.records.realism import GET_INCEPTION

VARIABLE = "ECHOBENCH_INCEPTION"
DOWNLOAD = Path("download")
"""In place of a file: fetch it, if it is not in torch-fidelity's cache."""
GET = GET_INCEPTION
KNOWN = ("inception", "unet")


def find_inception(asked: Path | None = None) -> Path | None:
    """The file of InceptionV3's weights that is asked for, else that of `VARIABLE`, else the one in the cache.

    None where there is none. Raises EchobenchError for a file that was named and is not there, and for a download that
    fails.
    """
    if asked == DOWNLOAD:
        return get_inception()
    named = {"--inception": asked, VARIABLE: typed_path(text) if (text := os.environ.get(VARIABLE)) else None}
    for name, path in named.items():
        if path is not None:
            if not path.is_file():
                raise EchobenchError(
                    f"there is no file {path}; {name} takes torch-fidelity's weights of InceptionV3, which `{GET}` "
                    "downloads"
                )
            return path
    return cached if (cached := cached_inception()).is_file() else None


def cached_inception() -> Path:
    """Where torch-fidelity keeps its weights of InceptionV3."""
    return Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rpartition("/")[2]


def get_inception() -> Path:
    """The file in torch-fidelity's cache, from torch-fidelity's address if it is not there, held to its hash."""
    path = cached_inception()
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), published_sha256())
        except (OSError, RuntimeError) as error:  # no network; what came has another hash
            raise EchobenchError(
                f"{URL_INCEPTION_V3} could not be downloaded ({error}); fetch it on another machine and name the file "
                f"with --inception or {VARIABLE}"
            ) from error
    return path


def published_sha256() -> str:
    """How the hash of the published file begins: its name says so, as with all weights of torch.hub."""
    found = re.search(r"-([0-9a-f]{8,})\.", URL_INCEPTION_V3)
    assert found
    return found[1]


def described(name: str) -> list[str]:
    """What a person is told of one of `KNOWN`: what it is for; where it is, or how to get it."""
    if name == "unet":
        return ["reference U-Net, for FD-UNet and KD-UNet", "stages/unet-0.pt in the folder of each run of real"]
    path = find_inception()
    if path is None:
        return [_INCEPTION, f"not here: `{GET}` downloads {URL_INCEPTION_V3} to {cached_inception()}"]
    sha256 = file_sha256(path)
    origin = "as published" if sha256.startswith(published_sha256()) else "not the published file"
    return [_INCEPTION, f"{path}", f"sha256 {sha256}, {origin}"]


_INCEPTION = "InceptionV3 of torch-fidelity, for FID and KID"
