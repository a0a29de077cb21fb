"""Whether the tables of a record can be what they say: pure functions of records, a sentence for each fault.

A Dice value is 2 n_both / (n_ref + n_pred), from the pixels of either mask and of both. n_both is not in the table, but
it is a whole number: that betrays most edited digits without any hash.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from echobench.data.base.metric import MetricFacts
from echobench.data.frames import PHASES, VIEWS
from echobench.data.labels import REGIONS

if TYPE_CHECKING:
    from echobench.results.records.run import RunRecord, Stage

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


def record_faults(record: "RunRecord") -> Iterator[str]:
    """What a record of a run cannot say, whatever its scores are."""
    seeds, names = record.settings["unet_seeds"], [metric.name for metric in record.metrics]
    needed = {"training", record.scored_on, "split"}
    if lacking := sorted(needed - record.fingerprints.keys()):
        yield f"it has no fingerprint of {', '.join(lacking)}"
    if not seeds or len(set(seeds)) < len(seeds):
        yield f"its U-Net seeds are {seeds}"
    if not record.scored_patients or len(set(record.scored_patients)) < len(record.scored_patients):
        yield f"its {record.whom} are none, or one is there twice"
    if not record.regions or set(record.regions) - REGIONS.keys() or len(set(record.regions)) < len(record.regions):
        yield f"its regions are {_listed(record.regions)}; known: {', '.join(REGIONS)}"
    if "dice" not in names or len(set(names)) < len(names):
        yield f"its metrics are {_listed(names)}; dice must be among them"
    counts = (record.training_images, record.training_patients or 0, record.parameters, record.evaluations)
    if record.view not in (*VIEWS, "all") or min(counts) < 0 or record.settings["repeats"] < 1:
        yield "a view that there is not, or a negative number"
    yield from stage_faults(record.stages)


def stage_faults(stages: "Iterable[Stage]") -> Iterator[str]:
    """What cannot be said of the cost of stages."""
    for stage in stages:
        numbers = (stage.seconds, stage.peak_memory_mb, stage.peak_gpu_memory_mb, stage.items, stage.energy_joules)
        if stage.attempts < 1 or min(number or 0 for number in numbers) < 0:
            yield f"its stage {stage.name} has a negative number"


def run_table_faults(record: "RunRecord", scores: pd.DataFrame | None) -> Iterable[str]:
    """What every reader of a run checks; `run_faults` checks pixels against one another too."""
    if scores is None:
        return record_faults(record)
    expected = _expected(record) | {"metrics": [metric.name for metric in record.metrics]}
    return table_faults(scores, **expected) or _patient_faults(record, scores)


def run_faults(record: "RunRecord", scores: pd.DataFrame) -> list[str]:
    """What is wrong with the raw scores of a run."""
    return score_faults(scores, **_expected(record)) or list(_patient_faults(record, scores))


def _expected(record: "RunRecord") -> dict[str, Any]:
    seeds = record.settings["unet_seeds"]
    items = next((stage.items for stage in record.stages if stage.name == SCORE), None)
    frames = None if items is None else items // len(seeds)
    return {"regions": record.regions, "seeds": seeds, "frames": frames, "metrics": record.metrics}


def score_faults(
    scores: pd.DataFrame,
    *,
    regions: Collection[str],
    seeds: Collection[int],
    frames: int | None,
    metrics: Collection[MetricFacts],
) -> list[str]:
    """What is wrong with a table of raw scores, see `table_faults`, and with what it says of masks."""
    units = {metric.name: metric.unit for metric in metrics}
    return table_faults(scores, regions=regions, seeds=seeds, frames=frames, metrics=units) or list(
        _pixel_faults(scores, units)
    )


def table_faults(
    scores: pd.DataFrame,
    *,
    regions: Collection[str],
    seeds: Collection[int],
    frames: int | None,
    metrics: Collection[str],
) -> list[str]:
    """What is wrong with a table of raw scores that has a row per frame × region × metric × U-Net seed.

    frames: how many there must be; None where no record says so.
    """
    if tuple(scores.columns) != COLUMNS:
        return [f"the columns are {', '.join(scores.columns)}, not {', '.join(COLUMNS)}"]
    if texts := [name for name in ("value", "n_ref", "n_pred") if not pd.api.types.is_numeric_dtype(scores[name])]:
        return [f"{' and '.join(texts)} has entries that are no numbers"]
    for name, known in (("region", regions), ("metric", metrics), ("unet_seed", seeds)):
        if (found := set(scores[name].unique())) != set(known):
            return [f"{name} is {_listed(found)}, not {_listed(known)}"]
    for name, choices in (("view", VIEWS), ("phase", PHASES)):
        if not (found := set(scores[name].unique())) <= set(choices):
            return [f"{name} is {_listed(found)}; known: {', '.join(choices)}"]
    per_frame = len(regions) * len(metrics) * len(seeds)
    return [*_completeness_faults(scores, frames, per_frame), *_range_faults(scores)]


def curve_faults(record: "RunRecord", curves: pd.DataFrame | None, generator_curves: pd.DataFrame | None) -> list[str]:
    """Whether training curves, where there are any, are of the U-Nets and views of a record."""
    of_unets = strangers("curves", curves, "unet_seed", record.settings["unet_seeds"])
    return [*of_unets, *strangers("generator curves", generator_curves, "view", record.views)]


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
        yield f"{len(twice)} rows are there twice, the first {place_of(twice.iloc[0])}"
    counts = scores.groupby(FRAME).size()
    if len(lacking := counts[counts < per_frame]):
        yield f"{len(lacking)} of {len(counts)} frames lack rows, the first {' '.join(lacking.index[0])}"
    if frames is not None and len(counts) != frames:
        yield f"{len(counts)} frames are there, the run scored {frames}"


def _patient_faults(record: "RunRecord", scores: pd.DataFrame) -> Iterator[str]:
    known, found = set(record.scored_patients), set(scores["patient"].unique())
    if found - known:
        yield f"{_listed(found - known)} is no patient of the record"
    if known - found and record.settings.get("phase", "all") == "all":  # of one phase, a patient may have no frame
        yield f"{len(known - found)} patients of the record have no score, the first {min(known - found)}"


def _range_faults(scores: pd.DataFrame) -> Iterator[str]:
    """Values that no score has."""
    value, n_ref, n_pred = (scores[name] for name in ("value", "n_ref", "n_pred"))
    is_dice = scores["metric"] == "dice"
    wrong = {
        "count no whole number of pixels": (n_ref % 1 != 0) | (n_pred % 1 != 0) | (n_ref < 0) | (n_pred < 0),
        "have a Dice outside of 0 to 1": is_dice & ((value < 0) | (value > 1)),
        "have a distance that is none": ~is_dice & ((value < 0) | np.isinf(value)),
    }
    yield from _rows_faults(scores, wrong)


def _rows_faults(scores: pd.DataFrame, wrong: "Mapping[str, pd.Series[bool]]") -> Iterator[str]:
    for what, where in wrong.items():
        if where.any():
            yield f"{where.sum()} rows {what}, the first {place_of(scores[where].iloc[0])}"


def _pixel_faults(scores: pd.DataFrame, units: Mapping[str, str]) -> Iterator[str]:
    """Values that the counts of pixels beside them contradict."""
    value, n_ref, n_pred = (scores[name] for name in ("value", "n_ref", "n_pred"))
    is_dice = scores["metric"] == "dice"
    n_both = value * (n_ref + n_pred) / 2
    whole = np.abs(n_both - n_both.round()) <= _ROUNDING * (n_ref + n_pred)
    wrong = {
        "have another unit": scores["unit"].astype(str) != scores["metric"].map(units),
        "have a value where there is nothing to score": (n_ref + n_pred == 0) & value.notna(),
        "lack a Dice": is_dice & (n_ref + n_pred > 0) & value.isna(),
        "have a Dice that no overlap of so many pixels gives": is_dice
        & value.between(0, 1)
        & ~(whole & (n_both.round() <= np.minimum(n_ref, n_pred))),
    }
    yield from _rows_faults(scores, wrong)
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


def strangers(what: str, table: pd.DataFrame | None, column: str, known: Collection[object]) -> list[str]:
    """A sentence where a column of a table, if there is one, has other entries than those that are known."""
    found = None if table is None else set(table.get(column, pd.Series()).unique())
    return [] if found in (None, set(known)) else [f"{what}: {column} is {_listed(found or ())}, not {_listed(known)}"]


def _listed(names: Collection[object]) -> str:
    return ", ".join(sorted(map(str, names)))
