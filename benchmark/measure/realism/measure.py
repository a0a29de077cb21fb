"""Everything that is measured about a set of drawn images, as one long table."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.benchmark.measure.realism.appearance import HELD_OUT, appearance_rows
from echobench.benchmark.measure.realism.distances import (
    NEIGHBOURS,
    distances_over_subsets,
    equal_subsets,
    independent_frames,
)
from echobench.benchmark.measure.realism.diversity import Redrawn, dissimilarity, feature_spread, grey_spread
from echobench.benchmark.measure.realism.extractors import INCEPTION, Extractor, inception_extractor, unet_extractor
from echobench.benchmark.measure.realism.memorisation import PIXELS, small_pixels
from echobench.benchmark.measure.realism.privacy import batched, privacy_rows
from echobench.benchmark.measure.realism.weights import GET
from echobench.benchmark.measure.realism.whole import INFINITY, chosen, whole
from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.labels import TABLE_REGIONS
from echobench.results.records.realism import REALISM
from echobench.segmentation.scores import region_dice
from echobench.segmentation.segmenter import Segmenter

COLUMNS = tuple(REALISM.columns)
"""value ± spread: of the drawn images; low, high: a 95 % interval. held_out ± held_out_spread: what real frames of
other patients have in their place, the best that can be asked for. flagged: memorisation found."""
NO_INCEPTION = f"not computed: no InceptionV3 weights; type `{GET}`, or name their file with --inception"
_NAMES = {"frechet": "FD-UNet", "kernel": "KD-UNet"}
FID, KID = "FID", "KID"
_SHARED = ("precision", "recall", "density", "coverage")
_GREY = {"channels": "grey", "weights_sha256": ""}
_BLOCKS = {"extractor": f"pixels {PIXELS}×{PIXELS}", "resize": f"block means, {PIXELS}×{PIXELS}", **_GREY}
_PIXELS = {"extractor": "pixels", "resize": "none", **_GREY}

_BATCH = 128  # images that are labelled at a time

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Measured:
    """rows: `COLUMNS`, a row per metric. curves: `CURVE_COLUMNS`, distances by number of images."""

    rows: pd.DataFrame
    curves: pd.DataFrame


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
    images: int | None = None,
    seed: int = 0,
) -> Measured:
    """Distances to real frames, adherence, speckle, privacy and diversity of drawn images.

    drawn: images with the maps they were drawn for, under the patients whose maps those were.
    real: the real frames that distances are taken to, named by `reference_split`; of the same views and phases.
    training: what the generator was trained on. heldout: real frames of patients in neither `real` nor `training`;
        what they score stands beside every value.
    reference: the U-Net trained on real frames; its features are those of FD-UNet, its labels those of adherence.
    redrawn: the same maps drawn with several seeds (see `redraw`), or None to leave diversity out.
    inception: weights of InceptionV3, see `find_inception`.
    subset: frames per subset; None takes half of the smallest set. Numbers of different subsets do not compare.
    images: how many drawn images, and how many real frames, FID, FWD, FRD and the distances at infinity take at most;
        None takes all.

    Raises EchobenchError for frames of different sizes, shared patients, too few frames, unfit weights.
    """
    sets = {"drawn": drawn, "real": real, "held-out": heldout}
    _check_sizes({**sets, "training": training})
    _check_patients(heldout, {reference_split: real, "training": training})
    n = _subset_size(sets, subset)
    subsets = {name: equal_subsets(frames, n, [seed, k]) for k, (name, frames) in enumerate(sets.items())}
    unet = unet_extractor(reference)
    foreign = inception_extractor(inception, unet.device)
    features = {name: unet.features(frames.images) for name, frames in sets.items()}
    known = features["real"] if training is real else unet.features(training.images)
    mine, place, others = (chosen(one, images, seed) for one in (features["drawn"], known, features["held-out"]))
    ours = whole(_NAMES["frechet"], mine, place, others, HELD_OUT, unet, seed)
    rows = [
        *_adherence(drawn, heldout, reference, unet),
        *_distances(features, subsets, unet, _NAMES),
        ours.at_infinity,
        *appearance_rows(drawn, training, heldout, images, seed),
    ]
    rows += _privacy(features, known, drawn, training, heldout, unet, seed)
    curves = [ours.curves]
    if foreign is None:
        rows += _without_inception()
    else:
        theirs = {name: foreign.features(frames.images) for name, frames in sets.items()}
        mine, place, others = (chosen(theirs[name], images, seed) for name in ("drawn", "held-out", "real"))
        fid = whole(FID, mine, place, others, reference_split, foreign, seed)
        rows += [fid.of_all, fid.at_infinity, *_distances(theirs, subsets, foreign, {"kernel": KID})]
        curves.append(fid.curves)
    if redrawn is not None:
        rows += _diversity(redrawn, unet, features["real"])
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    return Measured(
        table.assign(
            reference_split=table["reference_split"].fillna(reference_split),
            region=table["region"].fillna(""),
            flagged=table["flagged"].eq(True),
        ),
        pd.concat(curves, ignore_index=True),
    )


def _privacy(
    features: Mapping[str, NDArray[np.float64]],
    known: NDArray[np.float64],
    drawn: Frames,
    training: Frames,
    heldout: Frames,
    unet: Extractor,
    seed: int,
) -> list[Row]:
    """In features, and in pixels."""
    blocks, other_blocks = (np.concatenate([*small_pixels(frames.images)]) for frames in (training, heldout))
    return [
        row
        for of_drawn, of_training, of_heldout, provenance in (
            (lambda: batched(features["drawn"]), known, features["held-out"], unet.provenance()),
            (lambda: small_pixels(drawn.images), blocks, other_blocks, _BLOCKS),
        )
        for row in privacy_rows(of_drawn, of_training, of_heldout, training.patient, heldout.patient, provenance, seed)
    ]


def _distances(
    features: Mapping[str, NDArray[np.float64]],
    subsets: Mapping[str, list[NDArray[np.intp]]],
    extractor: Extractor,
    names: Mapping[str, str],
) -> list[Row]:
    """Rows of drawn against real, and of held-out against real beside them; names: of those that `_SHARED` has not."""
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
        for metric in (*names, *_SHARED)
    ]


def _without_inception() -> list[Row]:
    return [
        {"metric": metric, "extractor": INCEPTION, "n_drawn": 0, "n_real": 0, "note": NO_INCEPTION}
        for metric in (FID, f"{FID}{INFINITY}", KID, *_SHARED)
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
    parts = (frames.select(slice(start, start + _BATCH)) for start in range(0, len(frames), _BATCH))
    dice = pd.concat([pd.DataFrame(region_dice(part.labels, reference.predict(part.images))) for part in parts])
    patients = dice.groupby(frames.patient).mean()
    return patients.assign(mean=patients[list(TABLE_REGIONS)].mean(axis=1))


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
