"""Where a generator stops following its label map: pure functions of the raw scores of `echobench stress`.

Two measures say how far an image follows the map that it was drawn for: Dice between the map and what a reference
U-Net sees, and contrast along the map's walls, which needs no network. Two questions are asked, in this order.

Does the generator follow ordinary maps, those of severity 0? That is asked in absolute terms, structure by structure,
and held against `warp`, whose anatomy is right by construction:

- followed: the score of `warp`, which is the real frame here, beside the same map.
- ignored: the score of `warp` beside another patient's map.

A generator that fails here follows no deformed map either. The next question is where the others stop following, each
held against itself:

- followed: the generator's own score at severity 0, less what `warp` loses there. Where no displacement makes the map
  for `warp`, nothing shows that the reference U-Net could see such anatomy, so that Dice has no such mark and no say;
  contrast has not learnt anything, and nothing is taken off it. Contrast at severity 0 is that at the same place:
  beside blood that the deformation adds or takes away, along the walls of the undeformed map in the undeformed image,
  or along all of them where there was no wall before.
- ignored: the score of the generator's undeformed image beside the deformed map.

Contrast counts from 0.5 on. On ordinary maps blood has to be the darker side. On deformed ones contrast counts in the
direction that the generator's images have there at severity 0, so that what it keeps has a meaning for anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from echobench.results.evidence.statistics import MEAN, bootstrap_interval

STRESS_CELL = ["generator", "deformation", "severity"]
KEYS = [*STRESS_CELL, "patient", "structure"]

UNDEFORMED = "none"
"""The deformation of severity 0."""
IDEAL = "warp"
MEASURES = {"dice": ("Dice", 0.0), "contrast": ("contrast", 0.5)}
"""Name of each measure and its value for an image that says nothing."""
_MARKS = ["value", "start", "followed", "ignored"]
_OF_STRUCTURES = ("", " needed", " over needed", " over needed low", " over needed high", " verdict")

PRESERVED = 0.5
"""Of what an image that follows its map has over one that ignores it, the share that must be left.

Half puts the threshold in the middle: below it, a score is nearer to that of an image that ignores its map. It is also
the share that non-inferiority trials customarily ask for (FDA, Non-Inferiority Clinical Trials to Establish
Effectiveness, 2016). A share of the score itself would not do. Hearts are alike, so that another patient's map has most
of the Dice of the right one, and a generator that ignores the map would lie within the margin.
"""
RESOLUTION = 0.05
"""Marks that are nearer to each other, relative to the upper one, are not told apart by however many patients."""
FOLLOWS, LOST, DOUBT = "follows", "lost", "in doubt"
STRESS_RULE = (
    f"A map is lost where the score keeps less than {100 * PRESERVED:g} % of what the upper of two marks has over the "
    "lower: the mean over patients by its whole 95 % bootstrap interval, by one measure at least, and the other does "
    "not contradict it. Ordinary maps come first, every structure and the mean of all. Their marks are the scores of "
    f"{IDEAL}, the real frame there, beside the same map and beside another patient's. A structure that is drawn "
    "inverted is lost too: blood brighter than tissue, by the whole interval of the contrast. A generator that loses a "
    "structure of ordinary maps follows no map. One that is in doubt there is not said to follow any. The marks of a "
    "deformed map are the scores of an image which follows it as well as the generator does undeformed, and of one "
    f"which ignores the deformation. A measure counts where the two marks are more than {100 * RESOLUTION:g} % of the "
    f"upper one apart. On deformed maps Dice does not count where {IDEAL} has no image: nothing shows there that the "
    "reference U-Net could see such anatomy. “in doubt”: the measures contradict each other, or neither can tell."
)


@dataclass(frozen=True, eq=False)
class Decay:
    """patients: a row per measure, generator, deformation, severity and patient, means over structures. raw: the score;
    raw start and raw ignored as in `STRESS_COLUMNS`; difference: from `warp`'s score for the same map. value, start,
    followed and ignored count from nothing on. cells: see `decay`.

    ordinary: a row per generator and structure, the `MEAN` of all among them. For each of `MEASURES` its mean, and as
    endings of its name: " needed", which preserves `PRESERVED` of what `warp` has over another patient's map;
    " over needed" with its 95 % interval, " over needed low" and " over needed high"; " verdict" of this measure alone.
    inverted: see `inverted`. verdict: on the structure.
    """

    patients: pd.DataFrame
    cells: pd.DataFrame
    ordinary: pd.DataFrame


def decay(scores: pd.DataFrame) -> Decay:
    """What raw scores, `STRESS_COLUMNS`, say about every generator, deformation and severity, in their order.

    cells: a row each: patients (whose maps), verdict, relative verdict (of deformed maps, whatever becomes of ordinary
    ones), and for each of `MEASURES` its mean and, as endings of its name,
    " difference": from `warp` on the same maps, with its 95 % interval over patients, " low" and " high";
    " kept": relative to the same generator at severity 0, counted from what an image has that says nothing;
    " ceiling", " floor": what would be kept if the map were followed, or the deformation ignored;
    " share": where `kept` lies between the floor, 0, and the ceiling, 1; NaN where these cannot be told apart;
    " verdict": of this measure alone.
    """
    marked = {measure: _marked(scores, measure) for measure in MEASURES}
    patients = {measure: rows.groupby([*STRESS_CELL, "patient"], sort=False).mean() for measure, rows in marked.items()}
    ordinary = _ordinary(marked, {(generator, structure) for generator, structure, _ in inverted(scores)})
    counted = scores.groupby(STRESS_CELL, sort=False)["patient"].nunique()
    cells = pd.concat([_cells(rows, measure) for measure, rows in patients.items()], axis=1).reindex(counted.index)
    pairs = zip(cells["dice verdict"], cells["contrast verdict"], strict=True)
    of_generators = {name: _all_of(set(rows)) for name, rows in ordinary.groupby("generator")["verdict"]}
    first = [of_generators.get(generator, DOUBT) for generator in cells.index.get_level_values("generator")]
    undeformed = cells.index.get_level_values("deformation") == UNDEFORMED
    relative = np.where(undeformed, first, [_together({str(one), str(other)}) for one, other in pairs])
    verdicts = [_all_of(set(both)) for both in zip(first, relative, strict=True)]
    cells = cells.assign(patients=counted, **{"relative verdict": relative}, verdict=verdicts)
    return Decay(pd.concat(patients, names=["measure"]).reset_index(), cells.reset_index(), ordinary)


def lost_maps(found: Decay, verdict: str = LOST) -> set[tuple[str, str, float]]:
    """Generator, deformation and severity wherever the verdict is that the map is lost, or another one."""
    return set(found.cells.loc[found.cells["verdict"] == verdict, STRESS_CELL].itertuples(index=False, name=None))


def inverted(scores: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Generator, structure and mean contrast where blood is brighter than tissue, by the whole 95 % interval.

    Not where `warp`, the real frame, has it so.
    """
    rows = scores[(scores["measure"] == "contrast") & (scores["deformation"] == UNDEFORMED)]
    groups = rows.groupby(["generator", "structure"], sort=False)["value"]
    found = [
        (str(generator), str(structure), float(values.mean()))
        for (generator, structure), values in groups
        if bootstrap_interval(values.dropna())[1] < MEASURES["contrast"][1]
    ]
    real = {structure for generator, structure, _ in found if generator == IDEAL}
    return [one for one in found if one[1] not in real]


def order(scores: pd.DataFrame) -> pd.DataFrame:
    """Generators by Dice over all deformed maps that all of them have an image for, `warp` among them, the best first.

    dice: mean over patients of the mean over a patient's maps and structures. difference: from the generator in the row
    above, paired by patient, with its 95 % interval, " low" and " high". Contrast has no such order, as more of it than
    real frames have is no better.
    """
    rows = scores[(scores["measure"] == "dice") & (scores["deformation"] != UNDEFORMED)]
    images = rows.set_index(KEYS)["value"].unstack("generator").reindex(columns=scores["generator"].unique())
    values = images.dropna().groupby("patient").mean()
    best = values.mean().sort_values(ascending=False, kind="stable")
    above = [values[one] - values[other] for one, other in zip(best.index[1:], best.index, strict=False)]
    intervals = [(np.nan, np.nan), *(bootstrap_interval(one) for one in above)]
    return pd.DataFrame(
        {
            "generator": best.index,
            "dice": best.to_numpy(),
            "difference": [np.nan, *(one.mean() for one in above)],
            "difference low": [low for low, _ in intervals],
            "difference high": [high for _, high in intervals],
        }
    )


def _marked(scores: pd.DataFrame, measure: str) -> pd.DataFrame:
    """`_MARKS`, which count from nothing on, and the scores as they are, of one measure; index `KEYS`."""
    chosen = scores[scores["measure"] == measure].set_index(KEYS)
    raw, ignored, nothing = chosen["value"], chosen["ignored"], MEASURES[measure][1]
    ordinary = raw.index.get_level_values("deformation") == UNDEFORMED
    start = chosen["start"].fillna(_looked_up(_at_zero(raw), raw, ["generator", "patient", "structure"]))
    of_place = [*STRESS_CELL, "structure"]
    above = start.groupby(of_place).mean() - nothing
    way = _looked_up(above.map(np.sign), raw, of_place).where(~ordinary, 1.0)
    rows = pd.DataFrame({"raw": raw, "value": way * (raw - nothing), "start": way * (start - nothing)})
    ideal = rows.xs(IDEAL, level="generator")
    gain = (ideal["value"] - ideal["start"]).groupby(["deformation", "severity", "structure"]).mean().clip(upper=0)
    gains = _looked_up(gain, raw, ["deformation", "severity", "structure"])
    followed = rows["start"] + (gains if measure == "dice" else gains.fillna(0))
    of_map = ["deformation", "severity", "patient", "structure"]
    warped, elsewhere = (_looked_up(values.xs(IDEAL, level="generator"), raw, of_map) for values in (raw, ignored))
    rows["followed"] = followed.where(~ordinary, warped - nothing)
    rows["ignored"] = (way * (ignored - nothing)).where(~ordinary, elsewhere - nothing)
    others = raw.index.get_level_values("generator") != IDEAL
    rows = rows.assign(**{"raw start": start, "raw ignored": ignored, "difference": (raw - warped).where(others)})
    return rows.dropna(subset=["value", "start"])


def _ordinary(marked: Mapping[str, pd.DataFrame], upside_down: set[tuple[str, str]]) -> pd.DataFrame:
    """`Decay.ordinary`. upside_down: generators and the structures that they draw inverted."""
    measures = pd.concat([_structures(rows, measure) for measure, rows in marked.items()], axis=1)
    inverted_too = [key in upside_down for key in measures.index]
    pairs = zip(measures["dice verdict"], measures["contrast verdict"], inverted_too, strict=True)
    verdicts = [LOST if wrong else _together({str(one), str(other)}) for one, other, wrong in pairs]
    return measures.assign(inverted=inverted_too, verdict=verdicts).reset_index()


def _structures(marked: pd.DataFrame, measure: str) -> pd.DataFrame:
    """What one measure says of each structure of ordinary maps, and of their mean; index generator, structure."""
    undeformed = marked[marked.index.get_level_values("deformation") == UNDEFORMED]
    rows = undeformed.droplevel(["deformation", "severity"]).reset_index()
    means = rows.drop(columns="structure").groupby(["generator", "patient"], sort=False, as_index=False).mean()
    found = {}
    for key, of_one in pd.concat([rows, means.assign(structure=MEAN)]).groupby(["generator", "structure"], sort=False):
        known = of_one.dropna(subset=_MARKS)
        over = _over_needed(known)
        low, high = bootstrap_interval(over)
        needed = known["raw"].mean() - over.mean()
        found[key] = of_one["raw"].mean(), needed, over.mean(), low, high, _verdict(of_one)
    index = pd.MultiIndex.from_tuples(list(found), names=["generator", "structure"])
    names = [f"{measure}{ending}" for ending in _OF_STRUCTURES]
    return pd.DataFrame([list(values) for values in found.values()], index=index, columns=names)


def _at_zero(values: "pd.Series[float]") -> "pd.Series[float]":
    return values.xs((UNDEFORMED, 0.0), level=("deformation", "severity"))


def _looked_up(values: "pd.Series[float]", rows: "pd.Series[float]", levels: list[str]) -> "pd.Series[float]":
    """For every row what stands under its own entries of some levels, in the order of `values`; NaN for nothing."""
    wanted = pd.MultiIndex.from_frame(rows.index.to_frame()[levels])
    return pd.Series(values.reindex(wanted).to_numpy(), index=rows.index)


def _cells(patients: pd.DataFrame, measure: str) -> pd.DataFrame:
    """What one measure says of each cell."""
    grouped = patients.groupby(STRESS_CELL, sort=False)
    mean = grouped.mean()
    kept = mean[_MARKS].div(mean["start"].where(mean["start"] > 0), axis=0)
    verdicts = pd.Series({key: _verdict(rows) for key, rows in grouped}).reindex(mean.index)
    intervals = {key: bootstrap_interval(rows.dropna()) for key, rows in grouped["difference"]}
    share = (mean["value"] - mean["ignored"]) / (mean["followed"] - mean["ignored"])
    deformed = mean.index.get_level_values("deformation") != UNDEFORMED
    return pd.DataFrame(
        {
            measure: mean["raw"],
            f"{measure} difference": mean["difference"],
            f"{measure} difference low": [intervals[key][0] for key in mean.index],
            f"{measure} difference high": [intervals[key][1] for key in mean.index],
            f"{measure} kept": kept["value"],
            f"{measure} ceiling": kept["followed"].where(deformed),
            f"{measure} floor": kept["ignored"].where(deformed),
            f"{measure} share": share.where(deformed & (mean["followed"] > mean["ignored"])),
            f"{measure} verdict": verdicts,
        }
    )


def _over_needed(rows: pd.DataFrame) -> "pd.Series[float]":
    """By how much scores exceed `PRESERVED` of the way from the lower mark to the upper one."""
    return rows["value"] - rows["ignored"] - PRESERVED * (rows["followed"] - rows["ignored"])


def _verdict(rows: pd.DataFrame) -> str:
    """Of one measure on the patients of a cell: on which side of the middle the interval of their mean lies."""
    known = rows.dropna(subset=_MARKS)
    gap = known["followed"] - known["ignored"]
    if known.empty or not bootstrap_interval(gap)[0] > RESOLUTION * max(known["followed"].mean(), 0):
        return DOUBT  # the measure does not tell the two marks apart
    low, high = bootstrap_interval(_over_needed(known))
    return FOLLOWS if low > 0 else LOST if high < 0 else DOUBT


def _together(verdicts: set[str]) -> str:
    """Of two measures."""
    sure = verdicts & {FOLLOWS, LOST}
    return sure.pop() if len(sure) == 1 else DOUBT


def _all_of(verdicts: set[str]) -> str:
    """Of what has to hold together: no structure makes up for another, and no deformed map for ordinary ones."""
    return LOST if LOST in verdicts else FOLLOWS if verdicts == {FOLLOWS} else DOUBT
