"""Rows of what is measured of images without any network: wavelets, radiomics, grey values, the grain of speckle.

Here drawn images are held against held-out frames. In the drawn images' place, training frames show what real ones of
other patients have.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.benchmark.measure.realism.distances import equal_subsets, independent_frames
from echobench.benchmark.measure.realism.radiomics import radiomics_distance, radiomics_packages
from echobench.benchmark.measure.realism.speckle import (
    BLOOD,
    GREY_REGIONS,
    WALL,
    correlation_lengths,
    grey_counts,
    histogram_distance,
    of_region,
    signal_to_noise,
)
from echobench.benchmark.measure.realism.wavelets import BLOCK, LEVEL, Chosen, coefficients, wavelet_distances
from echobench.data.frames import Frames

HELD_OUT = "held-out"
"""The reference split of these rows."""
WAVELETS = f"wavelets haar, level {LEVEL}"
_GREY = {"channels": "grey", "weights_sha256": "", "resize": "none", "reference_split": HELD_OUT}
_PIXELS = {"extractor": "pixels", **_GREY}

Row = Mapping[str, Any]


def appearance_rows(drawn: Frames, training: Frames, heldout: Frames, images: int | None, seed: int) -> list[Row]:
    """FWD; FRD, if its packages are there; distances of grey values by region; signal to noise; correlation lengths.

    images: of FWD and FRD, at most.
    """
    sets = {"drawn": drawn, "training": training, "held-out": heldout}
    counts = {name: grey_counts(frames) for name, frames in sets.items()}
    common = {"n_drawn": len(drawn), "n_real": len(heldout), **_PIXELS}
    speckle = (*_grey_values(counts), *_noise(sets, counts), *_grain(sets))
    return [*_of_whole_images(sets, images, seed), *(common | row for row in speckle)]


def _of_whole_images(sets: Mapping[str, Frames], images: int | None, seed: int) -> Iterator[Row]:
    """FWD and FRD of as many drawn images as training frames: one of each view and phase of a patient."""
    taken = {name: sets[name] for name in ("drawn", "training")}
    n = min(images or len(sets["drawn"]), *map(independent_frames, taken.values()))
    compared = [
        Chosen(frames.images, equal_subsets(frames, n, [seed, k])[0]) for k, frames in enumerate(taken.values())
    ]
    reference = sets["held-out"].images
    common = {"n_drawn": n, "n_real": len(reference), **_GREY}
    distance, floor = wavelet_distances(compared, reference)
    note = f"{BLOCK**2} packets of {coefficients(sets['drawn'].size)} coefficients; biased by n"
    yield common | {"metric": "FWD", "extractor": WAVELETS, "value": distance, "held_out": floor, "note": note}
    if packages := radiomics_packages():
        (distance, note), (floor, _) = (radiomics_distance(one, reference) for one in compared)
        yield common | {"metric": "FRD", "extractor": packages, "value": distance, "held_out": floor, "note": note}


def _grey_values(counts: Mapping[str, NDArray[np.int64]]) -> Iterator[dict[str, Any]]:
    for region in GREY_REGIONS:
        pooled = {name: of_region(found, region).sum(axis=0) for name, found in counts.items()}
        yield {
            "metric": "grey values",
            "region": region,
            "value": histogram_distance(pooled["drawn"], pooled["held-out"]),
            "held_out": histogram_distance(pooled["training"], pooled["held-out"]),
            "note": "grey levels that a pixel has to be moved by on average",
        }


def _noise(sets: Mapping[str, Frames], counts: Mapping[str, NDArray[np.int64]]) -> Iterator[dict[str, Any]]:
    for region in (BLOOD, WALL):
        ratio = {name: signal_to_noise(of_region(found, region)) for name, found in counts.items()}
        note = "mean grey value over its standard deviation"
        yield {"metric": "signal to noise", "region": region, "note": note} | _over_patients(sets, ratio)


def _grain(sets: Mapping[str, Frames]) -> Iterator[dict[str, Any]]:
    lengths = {name: correlation_lengths(sets[name]) for name in ("drawn", "held-out")}
    unknown = np.isnan(sets["held-out"].spacing_mm).any()
    for i, direction in enumerate(("along the beam", "across the beam")):
        yield {
            "metric": f"correlation length {direction}",
            "note": "the spacing is unknown" if unknown else "mm, at half of the correlation",
        } | _over_patients(sets, {name: found[:, i] for name, found in lengths.items()})


def _over_patients(sets: Mapping[str, Frames], of_frames: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Mean and standard deviation over patients of what each frame has, of drawn and of held-out frames."""
    drawn, heldout = (
        pd.Series(of_frames[name]).groupby(sets[name].patient).mean() for name in ("drawn", "held-out")
    )  # fmt: skip
    return {
        "value": drawn.mean(), "spread": drawn.std(), "held_out": heldout.mean(), "held_out_spread": heldout.std(),
    }  # fmt: skip
