"""The Fréchet radiomic distance (FRD), where the packages that compute it are installed.

Konz, Osuala et al. 2026 (arXiv 2412.01496): the logarithm of the squared Fréchet distance of hundreds of radiomic
features, each in standard deviations of the reference.
"""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from math import isfinite, nan
from pathlib import Path
from tempfile import TemporaryDirectory

import SimpleITK
import torch

from echobench.benchmark.measure.realism.wavelets import Images

PACKAGES = ("frd-score", "pyradiomics")


def radiomics_packages() -> str | None:
    """The packages with their versions; None where one is missing."""
    try:
        return ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    except PackageNotFoundError:
        return None


def radiomics_distance(images: Images, reference: Images) -> tuple[float, str]:
    """FRD of images (N, H, W) to the reference (M, H, W), and ""; NaN, and why, where the package gives no number.

    In a process of its own: the package forks, which a process with torch in it had better not, and prints.
    """
    with TemporaryDirectory() as folder:
        for name, frames in (("reference", reference), ("compared", images)):
            Path(folder, name).mkdir()
            for i, image in enumerate(frames[:]):
                SimpleITK.WriteImage(SimpleITK.GetImageFromArray(image), str(Path(folder, name, f"{i:06}.png")))
        command = [sys.executable, "-m", "frd_score", "reference", "compared", "-w", str(torch.get_num_threads())]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = re.search(r"^FRD \(v1\): (\S+)$", done.stdout, re.MULTILINE)
    if found and isfinite(value := float(found[1])):
        return value, ""
    said = found[0] if found else (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
    return nan, f"not computed: {PACKAGES[0]} ended with {said}"
