"""Runs on data of another kind beside their own scored patients: who was scored on the same frames, and the gap."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from echobench.data.frames import VIEWS
from echobench.data.labels import TABLE_REGIONS
from echobench.results.evidence.statistics import LEVEL, MEAN, RESAMPLES, bootstrap_interval, drawn_regions
from echobench.results.records.cross import PREFIX, CrossRecord, read_cross
from echobench.results.records.run import Run


@dataclass(frozen=True, eq=False)
class Crossed:
    """A run of a group on other data.

    own, there: raw scores of its own scored patients and of the others, of those views and phases that both have.
    """

    run: Run
    record: CrossRecord
    own: pd.DataFrame
    there: pd.DataFrame

    @classmethod
    def of(cls, run: Run, record: CrossRecord, there: pd.DataFrame) -> Self:
        own = run.scores
        for kind in ("view", "phase"):
            if both := set(own[kind]) & set(there[kind]):  # none where the other view is the point
                own, there = (scores[scores[kind].isin(both)] for scores in (own, there))
        return cls(run, record, own, there)

    @property
    def same_patients(self) -> bool:
        """Whether the others are the run's own scored patients, in the other view."""
        return self.record.target in VIEWS

    @property
    def region(self) -> str:
        """What is compared: the mean of the paper's regions where frames here and there have them all, else the first
        that both have."""
        both = {*drawn_regions(self.there)} & {*drawn_regions(self.own)}
        if set(TABLE_REGIONS) <= both:
            return MEAN
        return next((region for region in self.record.regions if region in both), self.record.regions[0])


def crossed_runs(runs: Sequence[Run]) -> list[list[Crossed]]:
    """The runs of a table that were scored on the same frames, a list for each target and set of frames.

    Scores that are not of the U-Nets in a run's record are passed over; `echobench cross` makes them anew.
    """
    together: dict[tuple[str, str], list[Crossed]] = {}
    for run in runs:
        for path in sorted(run.folder.glob(f"{PREFIX}*.json")):
            found = read_cross(run.folder, path.stem.removeprefix(PREFIX))
            if found and found[0].run_sha256 == run.record.scores_sha256:
                together.setdefault((found[0].target, found[0].fingerprint), []).append(Crossed.of(run, *found))
    return list(together.values())


def pooled_dice(scores: pd.DataFrame, region: str, seed: int = 0) -> tuple[float, float, float]:
    """Dice in per cent of all pixels together, as EchoNet-Dynamic reports it, with its 5th and 95th percentile.

    The mean over U-Net seeds; the percentiles are of resampled frames, all seeds of a frame together.
    """
    rows = scores[(scores["metric"] == "dice") & (scores["region"] == region) & scores["value"].notna()]
    total = rows["n_ref"] + rows["n_pred"]
    frames = rows.assign(total=total, both=rows["value"] * total)  # twice the pixels that both have
    of_frames = frames.pivot_table(
        index=["patient", "view", "phase"], columns="unet_seed", values=["both", "total"], fill_value=0
    )
    both, whole = (of_frames[name].to_numpy() for name in ("both", "total"))

    def pooled(chosen: NDArray[np.intp]) -> float:
        return float(100 * (both[chosen].sum(axis=0) / whole[chosen].sum(axis=0)).mean())

    n, generator = len(of_frames), np.random.default_rng(seed)
    drawn = [pooled(generator.integers(0, n, n)) for _ in range(RESAMPLES // 10)]
    low, high = np.percentile(drawn, [5, 95])
    return pooled(np.arange(n)), float(low), float(high)


def gap(
    own: "pd.Series[float]", other: "pd.Series[float]", *, paired: bool, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of `other` minus mean of `own`, both by patient, with its 95 % bootstrap interval, NaN for a single patient.

    paired: the same patients, of whom those count that have both.
    """
    if paired:
        differences = (other - own).dropna().to_numpy(dtype=np.float64)
        return float(differences.mean()), *bootstrap_interval(differences)
    if min(len(own), len(other)) < 2:
        return float(other.mean() - own.mean()), nan, nan
    result = stats.bootstrap(
        (other.to_numpy(), own.to_numpy()), lambda a, b, axis: a.mean(axis) - b.mean(axis), confidence_level=LEVEL,
        n_resamples=RESAMPLES, method="percentile", vectorized=True, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return (
        float(other.mean() - own.mean()),
        float(result.confidence_interval.low),
        float(result.confidence_interval.high),
    )
