"""How real drawn images are: tables of what was measured beside each run.

Runs of `real` have no row: their images are those that the others are measured against. What real frames of other
patients score stands in a row of its own, the floor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isnan

import pandas as pd

from echobench.data.labels import REGIONS
from echobench.results.evidence.comparison import Group
from echobench.results.evidence.differences import shown
from echobench.results.evidence.realism import (
    ADHERENCE,
    DIVERSITY,
    FD_UNET,
    FD_UNET_INFINITY,
    FID,
    FID_INFINITY,
    FRD,
    FWD,
    GREY_VALUES,
    KD_UNET,
    KID,
    MEMBERSHIP,
    MEMORISED,
    OVERLAP,
    SPECKLE,
    comparable_parts,
    flagged_by,
)
from echobench.results.evidence.statistics import MEAN
from echobench.results.records.realism import (
    INCEPTION,
    PIXELS,
    REALISM,
    UNET,
    UNMEASURED,
    MeasuredRealism,
    Quantity,
    read_realism,
)
from echobench.results.shown.formats import Table, named_apart
from echobench.results.shown.tables import WHO

HELD_OUT, COPIES, FLAGGED = "held-out real frames", "copies patients", "flagged"

_SUMMARY = (FD_UNET, FD_UNET_INFINITY, KD_UNET, FWD, FRD, *OVERLAP[UNET], ADHERENCE, DIVERSITY)
_INCEPTION = (FID, FID_INFINITY, KID, *OVERLAP[INCEPTION])
_SPECKLE = (*GREY_VALUES, *SPECKLE)
_ADHERENCE = tuple(Quantity(name, "adherence", region=name, spec=".1f", scale=100) for name in (*REGIONS, MEAN))
_COPIES = (
    *MEMORISED.values(),
    Quantity("nearest by features", "nearest training frame"),
    Quantity("nearest by pixels", "nearest training frame", PIXELS),
    DIVERSITY,
    Quantity("diversity of structure", "diversity of structure", PIXELS, of_subsets=True),
    Quantity("diversity of grey values", "diversity of grey values", PIXELS, spec=".1f", of_subsets=True),
)
_OF_DRAWN, _OF_REAL = "drawn images", "real frames"

_FRECHET = (
    "A Fréchet distance of so few images is rank-deficient and biased by n: hold it against the held-out row, never "
    "against another n. Precision and recall (3 neighbours), density and coverage (5) stand beside it because of that."
)
"""The numbers here and in `_FLAGGED` are constants of the measurement, to which a test holds them."""
_INFINITY = (
    "A Fréchet distance is too large by about a/n, where a hangs on the generator. ∞ marks where a line in 1/n leads, "
    "± the standard error of that end (Chong & Forsyth 2020): only there do sets of other sizes compare."
)
_FWD = (
    "FWD: the mean Fréchet distance of the wavelet packets of images, to held-out frames (Veeramacheneni et al. 2023); "
    "the held-out row has as many training frames in the drawn images' place. So it is for FD-UNet∞."
)
_FRD = (
    "the logarithm of a Fréchet distance of radiomic features (Konz et al. 2026), which may be below 0; between the "
    "frames of FWD"
)
_MEMBERSHIP = (
    "membership: the chance that a training patient's frames are nearer to the drawn images than a held-out patient's, "
    "with its bootstrap interval; 0.50 tells nothing, 1.00 gives every patient away. Label maps are patients' too, so "
    "that even a generator that learns nothing may be above 0.50."
)
_FLAGGED = (
    "A drawn image counts as a copy if it is nearer to its nearest training frame, relative to the 50 nearest, than "
    "all but 1 % of held-out real frames. A generator is flagged if more than 5 % of its images are, and more often "
    "than held-out frames (Fisher's exact test, one-sided, p < 0.01)."
)


def realism_tables(group: Group) -> list[Table]:
    """Realism of what each run drew; FID where it was measured; adherence per region; copies and diversity.

    Numbers of other reference weights, subset sizes or reference splits stand in tables of their own, whose names end
    in a number. Runs that were not measured are rows with the reason in the first table. No table where no run was.
    """
    measured, missing = read_realism(group.runs)
    if not measured and set(missing.values()) <= {REALISM.absent}:
        return []
    reasons: list[dict[str, object]] = [{WHO: label, UNMEASURED: reason} for label, reason in missing.items()]
    reasons += [{WHO: failure.label, UNMEASURED: failure.reason} for failure in group.failures]
    summaries = [_summary(group, part) for part in comparable_parts(measured, _SUMMARY) or [[]]]
    summaries[0] = _with_rows(summaries[0], reasons)
    with_inception = [one for one in measured if one.row(FID)]
    with_speckle = [one for one in measured if any(map(one.row, _SPECKLE))]
    return named_apart(
        [
            *summaries,
            *(_inception(group, part) for part in comparable_parts(with_inception, _INCEPTION)),
            *(_speckle(group, part) for part in comparable_parts(with_speckle, _SPECKLE)),
            *(_adherence(group, part) for part in comparable_parts(measured, _ADHERENCE)),
            *(_copies(group, part) for part in comparable_parts(measured, _COPIES)),
        ]
    )


def _summary(group: Group, part: Sequence[MeasuredRealism]) -> Table:
    rows = [
        {WHO: one.run.label} | _numbers(one, _SUMMARY) | {COPIES: FLAGGED if flagged_by(one) else "no"} for one in part
    ]
    caption = (
        f"Realism of what each run drew. {group.title}. FD-UNet and KD-UNet are the distances of FID and KID in "
        f"features of the reference U-Net, which was trained on real frames, not of InceptionV3. "
        f"{_terms(part, FD_UNET)} "
        "adherence: Dice in % of the map asked for and what that U-Net sees, mean ± standard deviation over patients. "
        "diversity: between images of one map, 0 where the seed changes nothing."
    )
    of_part = (*_without_inception(part), *_frd(part), *_rank_notes(part)) if part else ()
    notes = (*of_part, _FRECHET, _INFINITY, _FWD, _FLAGGED) if part else ()
    return _table("realism", caption, rows, part, _SUMMARY, notes)


def _inception(group: Group, part: Sequence[MeasuredRealism]) -> Table:
    rows = [
        {WHO: one.run.label}
        | _numbers(one, _INCEPTION)
        | {_OF_DRAWN: one.value(FID, "n_drawn"), _OF_REAL: one.value(FID, "n_real")}
        for one in part
    ]
    caption = (
        f"Distances in features of InceptionV3. {group.title}. FID is of all drawn images and real frames that are "
        f"counted in the last columns. The others: {_terms(part, KID)}"
    )
    held_out = [str(row["note"]) for one in part[:1] if (row := one.row(FID))]
    return _table("inception", caption, rows, part, _INCEPTION, (*(f"FID: {note}." for note in held_out), _INFINITY))


def _speckle(group: Group, part: Sequence[MeasuredRealism]) -> Table:
    rows = [{WHO: one.run.label} | _numbers(one, _SPECKLE) for one in part]
    caption = (
        f"Speckle of drawn images and of held-out real frames. {group.title}. grey: how far a pixel's grey value has "
        "to be moved on average, in grey levels, for the region to have the grey values of held-out frames; in the "
        "held-out row stand training frames against them. SNR: mean grey value over its standard deviation, of the "
        "cavity and of the wall. grain: at which lag the correlation of two pixels is a half, along and across the "
        "beam. Mean ± standard deviation over patients."
    )
    return _table("speckle", caption, rows, part, _SPECKLE, ())


def _adherence(group: Group, part: Sequence[MeasuredRealism]) -> Table:
    rows = [{WHO: one.run.label} | _numbers(one, _ADHERENCE) | {"images": _images(one, ADHERENCE)} for one in part]
    caption = (
        "Adherence: Dice in % of the map asked for and what the reference U-Net sees in the image drawn for it, mean ± "
        f"standard deviation over patients. {group.title}. {_judge(part, ADHERENCE)}"
    )
    note = "The held-out row is Dice of the experts' maps. Maps asked for were deformed where a run's settings say so."
    return _table("adherence", caption, rows, part, _ADHERENCE, (note,))


def _copies(group: Group, part: Sequence[MeasuredRealism]) -> Table:
    rows = [
        {WHO: one.run.label}
        | _numbers(one, _COPIES)
        | {
            f"{quantity.name}{role}": one.value(quantity, column)
            for quantity in MEMBERSHIP.values()
            for role, column in (("", "value"), (" low", "low"), (" high", "high"))
        }
        | {FLAGGED: " and ".join(flagged_by(one)) or "no", "images": _images(one, MEMORISED["features"])}
        for one in part
    ]
    caption = (
        f"Copies of training frames, and diversity. {group.title}. copies: % of the drawn images. nearest: relative "
        "distance to the nearest training frame, median ± standard deviation, 0 is a copy. diversity: between images "
        f"of one map, mean ± standard deviation over maps, 0 where the seed changes nothing. {_judge(part, FD_UNET)}"
    )
    table = _table("copies", caption, rows, part, _COPIES, (_FLAGGED, _MEMBERSHIP))
    shares = [f"{quantity.name}{interval}" for quantity in MEMBERSHIP.values() for interval in ("", " 95 %")]
    return replace(table, formats={**table.formats, **dict.fromkeys(shares, ".2f")})


def _table(
    name: str,
    caption: str,
    rows: Sequence[Mapping[str, object]],
    part: Sequence[MeasuredRealism],
    quantities: Sequence[Quantity],
    notes: tuple[str, ...],
) -> Table:
    frame = pd.DataFrame([*rows, *_floors(part, quantities)])
    return Table(name, caption, frame, {quantity.name: quantity.spec for quantity in quantities}, notes)


def _numbers(one: MeasuredRealism, quantities: Sequence[Quantity], column: str = "") -> dict[str, float]:
    """Columns "x mean" and "x std" of every quantity; column: "held_out" for the floor."""
    value, spread = (column, f"{column}_spread") if column else ("value", "spread")
    names = {quantity.name: quantity for quantity in quantities}
    return {
        f"{name} {role}": one.value(quantity, of)
        for name, quantity in names.items()
        for role, of in (("mean", value), ("std", spread))
    }


def _floors(part: Sequence[MeasuredRealism], quantities: Sequence[Quantity]) -> list[dict[str, object]]:
    """The row of held-out real frames; several where runs have drawn their subsets with other seeds.

    What a file of before has not is taken from the others.
    """
    found: list[tuple[dict[str, float], list[str]]] = []
    for one in part:
        numbers = {name: number for name, number in _numbers(one, quantities, "held_out").items() if not isnan(number)}
        same = next((floor for floor in found if _agree(floor[0], numbers)), None)
        if same is None:
            found.append((numbers, [one.run.label]))
        else:
            same[0].update(numbers)
            same[1].append(one.run.label)
    return [
        {WHO: HELD_OUT if len(found) == 1 else f"{HELD_OUT}, beside {', '.join(labels)}", **numbers}
        for numbers, labels in found
    ]


def _agree(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    return all(f"{first[name]:.6g}" == f"{second[name]:.6g}" for name in first.keys() & second.keys())


def _images(one: MeasuredRealism, quantity: Quantity) -> float:
    return one.value(replace(quantity, scale=1), "n_drawn")


def _judge(part: Sequence[MeasuredRealism], quantity: Quantity) -> str:
    """Who judged: extractor, its weights, what was done to the images."""
    row = next((row for one in part if (row := one.row(quantity))), None)
    if row is None:
        return ""
    return f"Features: {row['extractor']} {shown(row['weights_sha256'])}; resize {row['resize']}, {row['channels']}."


def _terms(part: Sequence[MeasuredRealism], quantity: Quantity) -> str:
    """The same, and between which frames."""
    row = next((row for one in part if (row := one.row(quantity))), None)
    if row is None:
        return ""
    return (
        f"{_judge(part, quantity)} Mean ± standard deviation over random subsets of n = {row['n_drawn']:.0f} drawn and "
        f"{row['n_real']:.0f} real frames of the {row['reference_split']} split."
    )


def _without_inception(part: Sequence[MeasuredRealism]) -> list[str]:
    """Why there is no FID, and of which runs."""
    labels: dict[str, list[str]] = {}
    for one in part:
        for reason in one.rows.loc[(one.rows["metric"] == FID.metric) & one.rows["value"].isna(), "note"]:
            labels.setdefault(str(reason), []).append(one.run.label)
    of = {reason: "" if len(whose) == len(part) else f" of {', '.join(whose)}" for reason, whose in labels.items()}
    return [f"FID and KID{whose}: {reason}." for reason, whose in of.items()]


def _rank_notes(part: Sequence[MeasuredRealism]) -> list[str]:
    rows = [row for one in part if (row := one.row(FD_UNET))]
    return [f"FD-UNet: {note}." for note in dict.fromkeys(row["note"] for row in rows) if note]


def _frd(part: Sequence[MeasuredRealism]) -> list[str]:
    """What FRD is and who computed it, or why it was not; nothing where its packages were not installed."""
    rows = pd.concat([one.rows[one.rows["metric"] == FRD.metric] for one in part])
    found = rows[["extractor", "note"]].drop_duplicates().to_numpy().tolist()
    return [f"FRD by {packages}: {note or _FRD}." for packages, note in found]


def _with_rows(table: Table, rows: Sequence[dict[str, object]]) -> Table:
    return replace(table, frame=pd.concat([table.frame, pd.DataFrame(rows)], ignore_index=True)) if rows else table
