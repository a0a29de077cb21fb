"""Rows of what drawn images give away of the patients whom the generator was trained on: copies, and membership."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from echobench.benchmark.measure.realism.membership import (
    Membership,
    membership,
    nearest_drawn,
    patient_distances,
)
from echobench.benchmark.measure.realism.memorisation import BATCH, Memorisation, memorisation

Row = Mapping[str, Any]
Vectors = NDArray[np.float64]


def privacy_rows(
    drawn: Callable[[], Iterable[Vectors]], training: Vectors, heldout: Vectors, training_patient: NDArray[np.str_],
    heldout_patient: NDArray[np.str_], provenance: Row, seed: int,
) -> list[Row]:  # fmt: skip
    """Copies of training frames, and whether training patients are nearer to the drawn images than held-out ones.

    drawn: gives the vectors of the drawn images in batches, anew each time. training, heldout: vectors of real frames.
    """
    found = memorisation(drawn(), batched(heldout), training)
    distances = nearest_drawn(np.concatenate([training, heldout]), drawn())
    near = patient_distances(distances[: len(training)], training_patient)
    far = patient_distances(distances[len(training) :], heldout_patient)
    common = {"n_drawn": len(found.drawn), "n_real": len(training), **provenance}
    return [common | row for row in (*_copies(found), _member(membership(near, far, seed)))]


def batched(vectors: Vectors) -> Iterator[Vectors]:
    """Vectors (N, D), `BATCH` at a time."""
    return (vectors[start : start + BATCH] for start in range(0, len(vectors), BATCH))


def _copies(found: Memorisation) -> list[dict[str, Any]]:
    return [
        {
            "metric": "memorised",
            "value": found.share,
            "held_out": found.heldout_share,
            "flagged": found.flagged,
            "note": f"share nearer than {found.threshold:.3f}; p = {found.p_value:.2g}",
        },
        {
            "metric": "nearest training frame",
            "value": np.median(found.drawn),
            "spread": found.drawn.std(ddof=1),
            "held_out": np.median(found.heldout),
            "held_out_spread": found.heldout.std(ddof=1),
            "note": "median, relative to the nearest frames; 0 is a copy",
        },
    ]


def _member(found: Membership) -> dict[str, Any]:
    return {
        "metric": "membership",
        "value": found.auc,
        "low": found.low,
        "high": found.high,
        "note": f"{found.training} training and {found.heldout} held-out patients; 0.5 tells nothing",
    }
