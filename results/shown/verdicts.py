"""What is asked of a generator before it is trusted. Each run has a row: words, with the numbers behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from types import MappingProxyType
from typing import Any

import pandas as pd

from echobench.results.evidence.adherence import FOLLOWS, IDEAL, LOST, UNDEFORMED
from echobench.results.evidence.comparison import Group
from echobench.results.evidence.cost import cost
from echobench.results.evidence.cross import Crossed, crossed_runs, gap
from echobench.results.evidence.realism import ADHERENCE, FD_UNET, MEMORISED, flagged_by
from echobench.results.evidence.statistics import BETTER, EQUAL, UNDECIDED, WORSE, patient_values
from echobench.results.evidence.stressed import Stressed
from echobench.results.evidence.subgroups import DICE, TOO_FEW, described, subgroups, worst_off
from echobench.results.records.realism import MeasuredRealism, read_realism
from echobench.results.records.run import Run
from echobench.results.shown.formats import duration, listed
from echobench.results.shown.stress_tables import last_steps
from echobench.results.shown.tables import verdicts

GOOD, FAIR, BAD, OPEN = "good", "fair", "bad", "open"
TONES: Mapping[str, str] = MappingProxyType(
    {GOOD: "nothing against it", FAIR: "with a reservation", BAD: "fails", OPEN: "no verdict"}
)
"""Of an answer, and what each means."""
TO = {BETTER: "above", WORSE: "below", EQUAL: "not told apart from", UNDECIDED: "undecided against"}
"""Where a verdict puts its subject."""
NOT_MEASURED = "not measured"
YES = "yes: it shows "
ALIKE = "no subgroup of patients is shown to be worse off"
WORSE_IN = "worse in "


@dataclass(frozen=True)
class Judged:
    """One answer: in few words; the numbers behind it, which may be none; one of the tones."""

    words: str
    detail: str = ""
    tone: str = OPEN


@dataclass(frozen=True)
class Verdict:
    """What is known of the generator of a run, by question."""

    label: str
    answers: Mapping[str, Judged]


def verdict_rows(group: Group, stresses: Sequence[Stressed] = ()) -> list[Verdict]:
    """A row for each run of a generator, the best Dice first."""
    measured = {one.run.label: one for one in read_realism(group.runs)[0]}
    crossed = [one for of_target in crossed_runs(group.runs) for one in of_target]
    against = verdicts(group)
    runs = [run for run in group.runs if not run.is_reference]
    runs.sort(key=lambda run: -float(patient_values(run.scores).mean()))
    return [
        Verdict(
            run.label,
            {
                "use": use(against[run.label], real_frames(group), _dice(run)),
                "weakest part": _weakest(run),
                "for whom": _for_whom(run),
                "realism": _realism(measured.get(run.label), real_frames(group)),
                "copies": _copies(measured.get(run.label)),
                "follows its map": _adherence(run, stresses, measured.get(run.label)),
                "other data": _elsewhere([one for one in crossed if one.run.label == run.label]),
                "cost": _cost(run),
                "uses real images": _uses_real_images(run, real_frames(group)),
            },
        )
        for run in runs
    ]


def real_frames(group: Group) -> str:
    """What `real` has drawn, in words."""
    return "the phantom's frames" if group.runs[0].record.dataset == "phantom" else "real frames"


def use(against: Mapping[str, Any], frames: str, detail: str) -> Judged:
    """Whether images serve to train a U-Net. against: the verdicts "vs real" and "vs warp", NaN where there is none.

    frames: what `real` is called.
    """
    found = [(against[f"vs {name}"], words) for name, words in (("real", frames), ("warp", "warp"))]
    known = [(verdict, words) for verdict, words in found if isinstance(verdict, str)]
    if not known:
        return Judged("nothing to compare it with", detail)
    together: dict[str, list[str]] = {}
    for verdict, words in known:
        together.setdefault(TO[verdict], []).append(words)
    said = ", ".join(f"{how} {listed(whom)}" for how, whom in together.items())
    if UNDECIDED in (verdict for verdict, _ in known):
        return Judged(said, detail, OPEN)
    good, bad = against["vs real"] in (BETTER, EQUAL), against["vs warp"] == WORSE
    return Judged(said, detail, BAD if bad else GOOD if good else FAIR)


def _dice(run: Run) -> str:
    return f"Dice {float(patient_values(run.scores).mean()):.1f} %"


def _weakest(run: Run) -> Judged:
    """The region and phase with the lowest Dice."""
    scores = run.scores[run.scores["metric"] == "dice"]
    means = scores.groupby(["region", "phase", "patient"])["value"].mean().groupby(["region", "phase"]).mean().dropna()
    if means.empty:
        return Judged(NOT_MEASURED)
    region, phase = means.index[int(means.argmin())]
    return Judged(f"{region} in {phase}", f"Dice {100 * means.min():.1f} %")


def _for_whom(run: Run) -> Judged:
    """The subgroup of patients in whom Dice is lowest, of those that are shown to be worse off."""
    found = subgroups(run)
    return Judged(NOT_MEASURED) if found is None else for_whom(found)


def for_whom(found: pd.DataFrame) -> Judged:
    """found: of `subgroups`."""
    tested = found[(found["measure"] == DICE.name) & (found["verdict"] != TOO_FEW)]
    if tested.empty:
        return Judged("too few patients to tell")
    if (worst := worst_off(found)) is None:
        return Judged(ALIKE, f"{len(tested)} subgroups", GOOD)
    detail = f"Dice {worst['mean']:.1f} %, {worst['difference']:+.1f} points".replace("-", "−")
    return Judged(f"{WORSE_IN}{described(worst['trait'], worst['subgroup'])}", detail, FAIR)


def _realism(measured: MeasuredRealism | None, frames: str) -> Judged:
    """How far what it drew is from real frames, beside how far other patients' frames are from them."""
    if measured is None or isnan(value := measured.value(FD_UNET)):
        return Judged(NOT_MEASURED)
    floor, detail = measured.value(FD_UNET, "held_out"), f"{FD_UNET.name} {value:.1f}"
    if isnan(floor):
        return Judged(NOT_MEASURED, f"{detail}; other patients' frames not measured")
    detail = f"{detail}; other patients' frames {floor:.1f}"
    if value <= floor:
        return Judged(f"as near to {frames} as other patients' frames are", detail, GOOD)
    return Judged(f"{value / floor:.1f} times as far from {frames} as other patients' frames are", detail)


def _copies(measured: MeasuredRealism | None) -> Judged:
    if measured is None or not any(measured.row(quantity) for quantity in MEMORISED.values()):
        return Judged(NOT_MEASURED)
    shares = {by: measured.value(quantity) for by, quantity in MEMORISED.items()}
    detail = ", ".join(f"{share:.0f} % of images by {by}" for by, share in shares.items() if not isnan(share))
    flags = flagged_by(measured)
    return Judged(f"flagged {listed(flags)}", detail, BAD) if flags else Judged("not flagged", detail, GOOD)


def _adherence(run: Run, stresses: Sequence[Stressed], measured: MeasuredRealism | None) -> Judged:
    """Whether images follow ordinary maps, and which deformation they lose first."""
    stress = next((one for one in stresses if run.label in one.of_runs), None)
    if stress is None:
        value = float("nan") if measured is None else measured.value(ADHERENCE)
        return Judged("no stress was run", "" if isnan(value) else f"ordinary maps: Dice {value:.0f} %")
    name, cells = stress.of_runs[run.label], stress.found.cells
    undeformed = cells[(cells["generator"] == name) & (cells["deformation"] == UNDEFORMED)].iloc[0]
    detail = f"ordinary maps: Dice {100 * undeformed['dice']:.0f} %"
    if name == IDEAL:
        return Judged("the ideal: a frame with its own map", detail, GOOD)
    steps = last_steps(cells).xs(name, level="generator")
    return adherence(str(undeformed["verdict"]), {str(of): str(step) for of, step in steps.items()}, detail)


def adherence(ordinary: str, steps: Mapping[str, str], detail: str = "") -> Judged:
    """ordinary: the verdict on ordinary maps. steps: by deformation, as in `last_steps`."""
    if ordinary != FOLLOWS:
        words = "does not follow ordinary maps" if ordinary == LOST else "in doubt on ordinary maps"
        return Judged(words, detail, BAD if ordinary == LOST else FAIR)
    lost = {name: float(step) for name, step in steps.items() if step != FOLLOWS and not step.endswith("?")}
    doubtful = sum(step.endswith("?") for step in steps.values())
    if doubtful:
        detail = "; ".join(filter(None, (detail, f"{doubtful} of {len(steps)} deformations in doubt")))
    if lost:
        first = min(lost.values())
        names = listed([name for name, severity in lost.items() if severity == first])
        return Judged(f"follows ordinary maps; first loses {names}, at severity {first:g}", detail, FAIR)
    return Judged("follows ordinary maps; no deformation is shown to be lost", detail, FAIR if doubtful else GOOD)


def _elsewhere(crossed: Sequence[Crossed]) -> Judged:
    """What is lost on data of another kind."""
    if not crossed:
        return Judged("not tried")
    found = []
    for one in crossed:
        own, there = (patient_values(scores, region=one.region) for scores in (one.own, one.there))
        difference, low, high = gap(own, there, paired=one.same_patients)
        found.append(elsewhere(one.record.target, difference, low, high, float(there.mean())))
    tone = next(tone for tone in (FAIR, OPEN, GOOD) if tone in {one.tone for one in found})
    return Judged("; ".join(one.words for one in found), "; ".join(one.detail for one in found), tone)


def elsewhere(target: str, difference: float, low: float, high: float, there: float) -> Judged:
    """Of one target: Dice there minus Dice on the own patients, in points, with its interval."""
    detail = f"Dice {there:.1f} % there"
    if isnan(low):
        return Judged(f"{difference:+.1f} points on {target}, too few patients to tell", detail)
    if high < 0:
        return Judged(f"loses {-difference:.1f} points on {target}", detail, FAIR)
    words = f"gains {difference:.1f} points on {target}" if low > 0 else f"no loss on {target} is shown"
    return Judged(words, detail, GOOD)


def _cost(run: Run) -> Judged:
    if run.record.is_drawn_elsewhere:
        return Judged("not known: drawn elsewhere")
    spent = cost(run.record)
    training = f"{duration(spent.training_seconds)} of training" if run.record.parameters else "no training"
    return Judged(f"{training}, {spent.seconds_per_image:.2g} s an image")


def _uses_real_images(run: Run, frames: str) -> Judged:
    """Whether its images are made of real ones; not known of images that were drawn elsewhere."""
    known = run.record.uses_source_images
    if known is None:
        return Judged("not known")
    return Judged(f"{YES}{frames}", tone=FAIR) if known else Judged("no", tone=GOOD)
