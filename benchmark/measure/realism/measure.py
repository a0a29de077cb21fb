"""Everything that is measured about a set of drawn images, as one long table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.benchmark.measure.realism.distances import (
    NEIGHBOURS,
    distances_over_subsets,
    equal_subsets,
    independent_frames,
)
from echobench.benchmark.measure.realism.diversity import Redrawn, dissimilarity, feature_spread, grey_spread
from echobench.benchmark.measure.realism.extractors import INCEPTION, Extractor, inception_extractor, unet_extractor
from echobench.benchmark.measure.realism.memorisation import PIXELS, Memorisation, memorisation, small_pixels
from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.labels import TABLE_REGIONS
from echobench.segmentation.scores import region_dice
from echobench.segmentation.segmenter import Segmenter

COLUMNS = (
    "metric", "region", "extractor", "value", "spread", "held_out", "held_out_spread", "n_drawn", "n_real", "flagged",
    "note", "weights_sha256", "resize", "channels", "reference_split",
)  # fmt: skip
"""value ± spread: of the drawn images. held_out ± held_out_spread: what real frames of other patients have in their
place, the best that can be asked for. flagged: memorisation found."""

NO_INCEPTION = "not computed: no InceptionV3 weights (give --inception FILE)"
_NAMES = {"frechet": "FD-UNet", "kernel": "KD-UNet"}
_INCEPTION_NAMES = {"frechet": "FID", "kernel": "KID"}
_SHARED = ("precision", "recall", "density", "coverage")
_GREY = {"channels": "grey", "weights_sha256": ""}
_BLOCKS = {"extractor": f"pixels {PIXELS}×{PIXELS}", "resize": f"block means, {PIXELS}×{PIXELS}", **_GREY}
_PIXELS = {"extractor": "pixels", "resize": "none", **_GREY}

Row = Mapping[str, Any]


def measure(
    drawn: Frames,
    real: Frames,
    training: Frames,
    heldout: Frames,
    reference: Segmenter,
    *,
    reference_split: str,
    redrawn: Redrawn | None = None,
    inception: Path | None = None,
    subset: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Distances to real frames, adherence, memorisation and diversity of drawn images: `COLUMNS`, a row per metric.

    drawn: images with the maps they were drawn for, under the patients whose maps those were.
    real: the real frames that distances are taken to, named by `reference_split`; of the same views and phases.
    training: what the generator was trained on. heldout: real frames of patients in neither `real` nor `training`;
        what they score stands beside every value.
    reference: the U-Net trained on real frames; its features are those of FD-UNet, its labels those of adherence.
    redrawn: the same maps drawn with several seeds (see `redraw`), or None to leave diversity out.
    inception: weights of InceptionV3; None looks in torch-fidelity's cache, and downloads nothing.
    subset: frames per subset; None takes half of the smallest set. Numbers of different subsets do not compare.

    Raises EchobenchError for frames of different sizes, shared patients, too few frames, unfit weights.
    """
    sets = {"drawn": drawn, "real": real, "held-out": heldout}
    _check_sizes({**sets, "training": training})
    _check_patients(heldout, {reference_split: real, "training": training})
    n = _subset_size(sets, subset)
    subsets = {name: equal_subsets(frames, n, [seed, k]) for k, (name, frames) in enumerate(sets.items())}
    unet = unet_extractor(reference)
    features = {name: unet.features(frames.images) for name, frames in sets.items()}
    rows = _adherence(drawn, heldout, reference, unet)
    rows += _distances(features, subsets, unet, _NAMES)
    rows += _inception_distances(sets, subsets, inception_extractor(inception, unet.device))
    known = training.images
    for provenance, found in (
        (unet.provenance(), memorisation(features["drawn"], features["held-out"], unet.features(known))),
        (_BLOCKS, memorisation(*(small_pixels(images) for images in (drawn.images, heldout.images, known)))),
    ):
        rows += _memorisation(found, provenance, len(training))
    if redrawn is not None:
        rows += _diversity(redrawn, unet, features["real"])
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS)).assign(
        reference_split=reference_split,
        region=lambda table: table["region"].fillna(""),
        flagged=lambda table: table["flagged"].eq(True),
    )  # fmt: skip


def _distances(
    features: Mapping[str, NDArray[np.float64]],
    subsets: Mapping[str, list[NDArray[np.intp]]],
    extractor: Extractor,
    names: Mapping[str, str],
) -> list[Row]:
    """Rows of drawn against real, and of held-out against real beside them."""
    found = {
        name: distances_over_subsets(features[name], features["real"], subsets[name], subsets["real"]).agg(
            ["mean", "std"]
        )
        for name in ("drawn", "held-out")
    }
    n, dimensions = len(subsets["drawn"][0]), features["real"].shape[1]
    notes = {"frechet": f"{dimensions} features; covariance of rank {min(n - 1, dimensions)}; biased by n"}
    return [
        {
            "metric": names.get(metric, metric),
            "value": found["drawn"].loc["mean", metric],
            "spread": found["drawn"].loc["std", metric],
            "held_out": found["held-out"].loc["mean", metric],
            "held_out_spread": found["held-out"].loc["std", metric],
            "n_drawn": n,
            "n_real": n,
            "note": notes.get(metric, ""),
            **extractor.provenance(),
        }
        for metric in ("frechet", "kernel", *_SHARED)
    ]


def _inception_distances(
    sets: Mapping[str, Frames], subsets: Mapping[str, list[NDArray[np.intp]]], extractor: Extractor | None
) -> list[Row]:
    if extractor is not None:
        features = {name: extractor.features(frames.images) for name, frames in sets.items()}
        return _distances(features, subsets, extractor, _INCEPTION_NAMES)
    return [
        {"metric": metric, "extractor": INCEPTION, "n_drawn": 0, "n_real": 0, "note": NO_INCEPTION}
        for metric in (*_INCEPTION_NAMES.values(), *_SHARED)
    ]


def _adherence(drawn: Frames, heldout: Frames, reference: Segmenter, extractor: Extractor) -> list[Row]:
    """Dice per region of maps asked for and seen; on held-out frames, of the experts' maps and seen ones."""
    asked, ceiling = (_patient_dice(frames, reference) for frames in (drawn, heldout))
    return [
        {
            "metric": "adherence",
            "region": region,
            "value": asked[region].mean(),
            "spread": asked[region].std(),
            "held_out": ceiling[region].mean(),
            "held_out_spread": ceiling[region].std(),
            "n_drawn": len(drawn),
            "n_real": len(heldout),
            "note": f"{len(asked)} patients",
            **extractor.provenance(),
        }
        for region in asked
    ]


def _patient_dice(frames: Frames, reference: Segmenter) -> pd.DataFrame:
    """Dice of every patient (rows) and region (columns), and `mean` of the table's regions."""
    dice = pd.DataFrame(region_dice(frames.labels, reference.predict(frames.images)))
    patients = dice.groupby(frames.patient).mean()
    return patients.assign(mean=patients[list(TABLE_REGIONS)].mean(axis=1))


def _memorisation(found: Memorisation, provenance: Row, n_training: int) -> list[Row]:
    common = {"n_drawn": len(found.drawn), "n_real": n_training, **provenance}
    return [
        {
            "metric": "memorised",
            "value": found.share,
            "held_out": found.heldout_share,
            "flagged": found.flagged,
            "note": f"share nearer than {found.threshold:.3f}; p = {found.p_value:.2g}",
            **common,
        },
        {
            "metric": "nearest training frame",
            "value": np.median(found.drawn),
            "spread": found.drawn.std(ddof=1),
            "held_out": np.median(found.heldout),
            "held_out_spread": found.heldout.std(ddof=1),
            "note": "median, relative to the nearest frames; 0 is a copy",
            **common,
        },
    ]


def _diversity(redrawn: Redrawn, extractor: Extractor, real: NDArray[np.float64]) -> list[Row]:
    maps, times = redrawn.images.shape[:2]
    measured = (
        ("diversity of features", feature_spread(redrawn, extractor.features, real), extractor.provenance()),
        ("diversity of structure", dissimilarity(redrawn), _PIXELS),
        ("diversity of grey values", grey_spread(redrawn), _PIXELS),
    )
    return [
        {
            "metric": metric,
            "value": values.mean(),
            "spread": values.std(ddof=1),
            "n_drawn": maps * times,
            "n_real": len(real),
            "note": f"{maps} maps, {times} seeds each; 0 if the seed changes nothing",
            **provenance,
        }
        for metric, values, provenance in measured
    ]


def _subset_size(sets: Mapping[str, Frames], subset: int | None) -> int:
    available = {name: independent_frames(frames) for name, frames in sets.items()}
    smallest = min(available, key=lambda name: available[name])
    n = available[smallest] // 2 if subset is None else subset
    if n <= NEIGHBOURS:
        raise EchobenchError(
            f"realism needs subsets of at least {NEIGHBOURS + 1} frames, these are {n}: there are "
            f"{available[smallest]} {smallest} frames of different patients, views and phases; take more patients"
        )
    if n > available[smallest]:
        raise EchobenchError(
            f"subsets of {n} frames cannot be taken from {available[smallest]} {smallest} ones of different patients, "
            "views and phases; draw more or take a smaller subset"
        )
    return n


def _check_sizes(sets: Mapping[str, Frames]) -> None:
    if len({frames.size for frames in sets.values()}) > 1:
        sizes = ", ".join(f"{name} {frames.size[0]}×{frames.size[1]}" for name, frames in sets.items())
        raise EchobenchError(f"frames of different sizes cannot be compared: {sizes}; read them at one size")


def _check_patients(heldout: Frames, others: Mapping[str, Frames]) -> None:
    for name, frames in others.items():
        if shared := sorted(set(heldout.patient) & set(frames.patient)):
            raise EchobenchError(
                f"{shared[0]} is held out and among the {name} frames ({len(shared)} such patients); "
                "what real frames score is a measure only if their patients are others"
            )
