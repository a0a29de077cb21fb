"""Where a generator stops following its label map: pure functions of the raw scores of `echobench stress`.

Two measures say how far an image follows the map that it was drawn for: Dice between the map and what a reference
U-Net sees, and contrast along the map's walls, which needs no network. Each is held between two marks:

- followed: the generator's own score at severity 0, less what `warp`, whose anatomy is right by construction, loses
  there. Where no displacement makes the map for `warp`, nothing shows that the reference U-Net could see such anatomy,
  so that Dice has no such mark and no say; contrast has not learnt anything, and nothing is taken off it. Contrast at
  severity 0 is that at the same place: beside blood that the deformation adds or takes away, along the walls of the
  undeformed map in the undeformed image, or along all of them where there was no wall before. Of the undeformed image
  itself, the mark is the real frame's score.
- ignored: the score of the generator's undeformed image beside the deformed map. At severity 0: that of its image
  beside another patient's map.

Contrast counts from 0.5 on, and in the direction that the generator's images have there at severity 0: whoever
draws an atrium brighter than the tissue around it follows its map as long as that stays so, and is said to invert it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from echobench.results.statistics import bootstrap_interval

CELL = ["generator", "deformation", "severity"]
KEYS = [*CELL, "patient", "structure"]
COLUMNS = (*KEYS, "measure", "value", "start", "ignored")
"""Of stress.csv, long and raw: a row per image, structure and measure; start: of the same generator's undeformed image
at the same place; ignored: the mark above."""

UNDEFORMED = "none"
"""The deformation of severity 0."""
IDEAL = "warp"
MEASURES = {"dice": ("Dice", 0.0), "contrast": ("contrast", 0.5)}
"""Name of each measure and its value for an image that says nothing."""
_MARKS = ["value", "start", "followed", "ignored"]

RESOLUTION = 0.05
"""Marks that are nearer to each other, relative to the upper one, are not told apart by however many patients."""
FOLLOWS, LOST, DOUBT = "follows", "lost", "in doubt"
RULE = (
    "A map is lost where the score lies below the middle between that of an image which follows the map as well as "
    "the generator does undeformed and that of one which ignores the deformation: the mean over patients by its whole "
    "95 % bootstrap interval, by one measure at least, and the other does not contradict it. A measure has a say where "
    f"the two marks are more than {100 * RESOLUTION:g} % of the upper one apart; Dice has none where {IDEAL} has no "
    "image, as nothing shows there that the reference U-Net could see such anatomy. “in doubt”: the measures "
    "contradict each other, or neither can tell."
)


@dataclass(frozen=True, eq=False)
class Decay:
    """patients: a row per measure, generator, deformation, severity and patient: value, start (at severity 0),
    followed and ignored, means over structures of what is above nothing. cells: see `decay`."""

    patients: pd.DataFrame
    cells: pd.DataFrame


def decay(scores: pd.DataFrame) -> Decay:
    """What raw scores, `COLUMNS`, say about every generator, deformation and severity, in their order.

    cells: a row each: patients (whose maps), verdict, and for each of `MEASURES` its mean and, as endings of its name,
    " kept": relative to the same generator at severity 0, counted from what an image has that says nothing;
    " ceiling", " floor": what would be kept if the map were followed, or the deformation ignored;
    " share": where `kept` lies between the floor, 0, and the ceiling, 1; NaN where these cannot be told apart;
    " verdict": of this measure alone.
    """
    marked = {measure: _marked(scores, measure) for measure in MEASURES}
    patients = {measure: rows.groupby([*CELL, "patient"], sort=False).mean() for measure, rows in marked.items()}
    counted = scores.groupby(CELL, sort=False)["patient"].nunique()
    cells = pd.concat([_cells(rows, measure) for measure, rows in patients.items()], axis=1).reindex(counted.index)
    pairs = zip(cells["dice verdict"], cells["contrast verdict"], strict=True)
    cells = cells.assign(patients=counted, verdict=[_together({str(one), str(other)}) for one, other in pairs])
    return Decay(pd.concat(patients, names=["measure"]).reset_index(), cells.reset_index())


def lost_images(found: Decay) -> set[tuple[str, str, float, str]]:
    """Generator, deformation, severity and patient of the images that have lost their map by all that has a say."""
    gap = found.patients["followed"] - found.patients["ignored"]
    rows = found.patients[gap > RESOLUTION * found.patients["followed"].clip(lower=0)]
    below = rows["value"] < (rows["followed"] + rows["ignored"]) / 2
    lost = below.groupby([rows[name] for name in (*CELL, "patient")]).all()
    return set(lost[lost].index)


def inverted(scores: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Generator, structure and mean contrast where blood is brighter than tissue, by the whole 95 % interval."""
    rows = scores[(scores["measure"] == "contrast") & (scores["deformation"] == UNDEFORMED)]
    groups = rows.groupby(["generator", "structure"], sort=False)["value"]
    return [
        (str(generator), str(structure), float(values.mean()))
        for (generator, structure), values in groups
        if bootstrap_interval(values.dropna())[1] < MEASURES["contrast"][1]
    ]


def _marked(scores: pd.DataFrame, measure: str) -> pd.DataFrame:
    """`_MARKS` and raw of one measure, index `KEYS`; all but raw count from nothing on, in the generator's way."""
    chosen = scores[scores["measure"] == measure].set_index(KEYS)
    raw = chosen["value"]
    nothing = MEASURES[measure][1]
    start = chosen["start"].fillna(_looked_up(_at_zero(raw), raw, ["generator", "patient", "structure"]))
    of_place = [*CELL, "structure"]
    above = start.groupby(of_place).mean() - nothing
    way = _looked_up(above.map(np.sign), raw, of_place)
    rows = pd.DataFrame({"raw": raw, "value": way * (raw - nothing), "start": way * (start - nothing)})
    rows["ignored"] = way * (chosen["ignored"] - nothing)
    ideal = rows.xs(IDEAL, level="generator")
    gain = (ideal["value"] - ideal["start"]).groupby(["deformation", "severity", "structure"]).mean().clip(upper=0)
    gains = _looked_up(gain, raw, ["deformation", "severity", "structure"])
    followed = rows["start"] + (gains if measure == "dice" else gains.fillna(0))
    real = _looked_up(_at_zero(rows["value"]).xs(IDEAL, level="generator"), raw, ["patient", "structure"])
    rows["followed"] = followed.where(raw.index.get_level_values("deformation") != UNDEFORMED, real)
    return rows.dropna(subset=["value", "start"])


def _at_zero(values: "pd.Series[float]") -> "pd.Series[float]":
    return values.xs((UNDEFORMED, 0.0), level=("deformation", "severity"))


def _looked_up(values: "pd.Series[float]", rows: "pd.Series[float]", levels: list[str]) -> "pd.Series[float]":
    """For every row what stands under its own entries of some levels, in the order of `values`; NaN for nothing."""
    wanted = pd.MultiIndex.from_frame(rows.index.to_frame()[levels])
    return pd.Series(values.reindex(wanted).to_numpy(), index=rows.index)


def _cells(patients: pd.DataFrame, measure: str) -> pd.DataFrame:
    """What one measure says of each cell."""
    grouped = patients.groupby(CELL, sort=False)
    mean = grouped.mean()
    kept = mean[_MARKS].div(mean["start"].where(mean["start"] > 0), axis=0)
    verdicts = pd.Series({key: _verdict(rows) for key, rows in grouped}).reindex(mean.index)
    share = (mean["value"] - mean["ignored"]) / (mean["followed"] - mean["ignored"])
    return pd.DataFrame(
        {
            measure: mean["raw"],
            f"{measure} kept": kept["value"],
            f"{measure} ceiling": kept["followed"],
            f"{measure} floor": kept["ignored"],
            f"{measure} share": share.where(mean["followed"] > mean["ignored"]),
            f"{measure} verdict": verdicts,
        }
    )


def _verdict(rows: pd.DataFrame) -> str:
    """Of one measure on the patients of a cell: on which side of the middle the interval of their mean lies."""
    known = rows.dropna()
    gap = known["followed"] - known["ignored"]
    if known.empty or not bootstrap_interval(gap)[0] > RESOLUTION * max(known["followed"].mean(), 0):
        return DOUBT  # the measure does not tell the two marks apart
    low, high = bootstrap_interval(known["value"] - known["ignored"] - gap / 2)
    return FOLLOWS if low > 0 else LOST if high < 0 else DOUBT


def _together(verdicts: set[str]) -> str:
    sure = verdicts & {FOLLOWS, LOST}
    return sure.pop() if len(sure) == 1 else DOUBT
