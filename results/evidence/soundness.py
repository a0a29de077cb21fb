"""Whether the tables of a record can be what they say: pure functions of records, a sentence for each fault.

A Dice value is 2 n_both / (n_ref + n_pred), from the pixels of either mask and of both. n_both is not in the table, but
it is a whole number: that betrays most edited digits without any hash.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd

from echobench.data.base.metric import MetricFacts
from echobench.data.frames import VIEWS
from echobench.data.labels import REGIONS
from echobench.results.records.run import RunRecord
from echobench.results.records.stress import STRESS_SCORES, StressRecord

FRAME = ["patient", "view", "phase"]
_KEYS = [*FRAME, "region", "metric", "unet_seed"]
COLUMNS = (*FRAME, "region", "metric", "unit", "value", "n_ref", "n_pred", "unet_seed")
"""Of a table of raw scores."""
SCORE = "score"
"""The stage of a run that makes its scores; its items are frames × U-Nets."""
_PARTS = {
    region: [part for part, label in REGIONS.items() if label < labels]
    for region, labels in REGIONS.items()
    if len(labels) > 1
}
"""Regions that are made of others."""
_ROUNDING = 1e-13
"""Of a Dice value that was read from text."""


def run_faults(record: RunRecord, scores: pd.DataFrame) -> list[str]:
    """What is wrong with the raw scores of a run."""
    seeds = record.settings["unet_seeds"]
    items = next((stage.items for stage in record.stages if stage.name == SCORE), None)
    frames = None if items is None else items // len(seeds)
    faults = score_faults(scores, regions=record.regions, seeds=seeds, frames=frames, metrics=record.metrics)
    return faults or list(_patient_faults(record, scores))


def score_faults(
    scores: pd.DataFrame,
    *,
    regions: Collection[str],
    seeds: Collection[int],
    frames: int | None,
    metrics: Collection[MetricFacts],
) -> list[str]:
    """What is wrong with a table of raw scores that has a row per frame × region × metric × U-Net seed.

    frames: how many there must be; None where no record says so.
    """
    if tuple(scores.columns) != COLUMNS:
        return [f"the columns are {', '.join(scores.columns)}, not {', '.join(COLUMNS)}"]
    if texts := [name for name in ("value", "n_ref", "n_pred") if not pd.api.types.is_numeric_dtype(scores[name])]:
        return [f"{' and '.join(texts)} has entries that are no numbers"]
    units = {metric.name: metric.unit for metric in metrics}
    for name, known in (("region", regions), ("metric", units), ("unet_seed", seeds)):
        if set(scores[name]) != set(known):
            return [f"{name} is {_listed(set(scores[name]))}, not {_listed(known)}"]
    per_frame = len(regions) * len(metrics) * len(seeds)
    return [*_completeness_faults(scores, frames, per_frame), *_value_faults(scores, units)]


def curve_faults(record: RunRecord, curves: pd.DataFrame | None, generator_curves: pd.DataFrame | None) -> list[str]:
    """Whether training curves, where there are any, are of the U-Nets and views of a record."""
    views = VIEWS if record.view == "all" else (record.view,)
    of_unets = _strangers("curves", curves, "unet_seed", record.settings["unet_seeds"])
    return [*of_unets, *_strangers("generator curves", generator_curves, "view", views)]


def stress_faults(record: StressRecord, scores: pd.DataFrame) -> list[str]:
    """What is wrong with the raw scores of a stress."""
    faults = _strangers(STRESS_SCORES, scores, "generator", record.generators)
    faults += _strangers(STRESS_SCORES, scores, "patient", record.patients)
    numbers = scores[["value", "start", "ignored"]]
    outside = scores[((numbers < 0) | (numbers > 1)).any(axis=1)]
    if len(outside):
        first = " ".join(map(str, outside.iloc[0][["generator", "deformation", "severity", "patient"]]))
        faults.append(f"{STRESS_SCORES}: {len(outside)} rows have a value outside of 0 to 1, the first {first}")
    return faults


def altered_scores(recorded: pd.DataFrame, remade: pd.DataFrame, tolerance: Mapping[str, float] | None) -> pd.DataFrame:
    """The recorded rows that are not those of scores made again.

    recorded, remade: raw scores as text (`dtype=str`), each row a frame × region × metric × U-Net seed. tolerance: by
    metric, how far a value may lie from the other; None asks for the same text. n_ref must be the same in either case.
    """
    both = recorded.merge(remade, on=_KEYS, how="outer", suffixes=("", " again"), indicator="side")
    differs = (both["side"] != "both") | (both["n_ref"] != both["n_ref again"])
    if tolerance is None:
        for name in ("value", "n_pred"):
            differs |= both[name] != both[f"{name} again"]
    else:
        value, again = (pd.to_numeric(both[name], errors="coerce") for name in ("value", "value again"))
        near = (value - again).abs() <= both["metric"].map(tolerance)
        differs |= ~(near | (value.isna() & again.isna()))
    return both[differs]


def place_of(row: "pd.Series[str]") -> str:
    """Which frame, region and U-Net a row of raw scores is of."""
    return f"{' '.join(row[FRAME])} {row['region']} {row['metric']}, U-Net seed {row['unet_seed']}"


def _completeness_faults(scores: pd.DataFrame, frames: int | None, per_frame: int) -> Iterator[str]:
    if len(twice := scores[scores.duplicated(_KEYS)]):
        yield f"{len(twice)} rows stand there twice, the first {place_of(twice.iloc[0])}"
    counts = scores.groupby(FRAME).size()
    if len(lacking := counts[counts < per_frame]):
        yield f"{len(lacking)} of {len(counts)} frames lack rows, the first {' '.join(lacking.index[0])}"
    if frames is not None and len(counts) != frames:
        yield f"{len(counts)} frames are there, the run scored {frames}"


def _patient_faults(record: RunRecord, scores: pd.DataFrame) -> Iterator[str]:
    known, found = set(record.scored_patients), set(scores["patient"])
    if found - known:
        yield f"{_listed(found - known)} is no patient of the record"
    if known - found and record.settings.get("phase", "all") == "all":  # of one phase, a patient may have no frame
        yield f"{len(known - found)} patients of the record have no score, the first {min(known - found)}"


def _value_faults(scores: pd.DataFrame, units: Mapping[str, str]) -> Iterator[str]:
    """Values out of range, and those that the counts of pixels beside them contradict."""
    value, n_ref, n_pred = (scores[name] for name in ("value", "n_ref", "n_pred"))
    is_dice = scores["metric"] == "dice"
    n_both = value * (n_ref + n_pred) / 2
    whole = np.abs(n_both - n_both.round()) <= _ROUNDING * (n_ref + n_pred)
    wrong = {
        "have another unit": scores["unit"].astype(str) != scores["metric"].map(units),
        "count no whole number of pixels": (n_ref % 1 != 0) | (n_pred % 1 != 0) | (n_ref < 0) | (n_pred < 0),
        "have a value where there is nothing to score": (n_ref + n_pred == 0) & value.notna(),
        "lack a Dice": is_dice & (n_ref + n_pred > 0) & value.isna(),
        "have a Dice outside of 0 to 1": is_dice & ((value < 0) | (value > 1)),
        "have a Dice that no overlap of so many pixels gives": is_dice
        & value.between(0, 1)
        & ~(whole & (n_both.round() <= np.minimum(n_ref, n_pred))),
        "have a distance that is none": ~is_dice & ((value < 0) | np.isinf(value)),
    }
    for what, where in wrong.items():
        if where.any():
            yield f"{where.sum()} rows {what}, the first {place_of(scores[where].iloc[0])}"
    yield from _count_faults(scores)


def _count_faults(scores: pd.DataFrame) -> Iterator[str]:
    """Counts of pixels that differ between rows about the same mask, or do not add up over the regions."""
    for name, of_mask in (("n_ref", [*FRAME, "region"]), ("n_pred", [*FRAME, "region", "unet_seed"])):
        if (several := scores.groupby(of_mask)[name].nunique().gt(1)).any():
            yield f"{name} of {several.sum()} masks differs from row to row, the first {several.idxmax()}"
            continue
        counts = scores[scores["metric"] == "dice"].set_index(_KEYS)[name].unstack("region")
        for region, parts in _PARTS.items():
            if {region, *parts} <= set(counts) and (off := counts[region] != counts[parts].sum(axis=1)).any():
                yield f"{name} of {region} is not that of {' and '.join(parts)} in {off.sum()} masks"


def _strangers(what: str, table: pd.DataFrame | None, column: str, known: Collection[object]) -> list[str]:
    """A sentence where a column of a table, if there is one, has other entries than those that are known."""
    found = None if table is None else set(table.get(column, ()))
    return [] if found in (None, set(known)) else [f"{what}: {column} is {_listed(found or ())}, not {_listed(known)}"]


def _listed(names: Collection[object]) -> str:
    return ", ".join(sorted(map(str, names)))
