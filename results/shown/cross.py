"""What a run's U-Nets score on data of another kind: a file beside its record, tables and a figure of a group.

cross-TARGET.csv    raw: one row per image × region × metric × U-Net seed, as scores.csv
cross-TARGET.json   `CrossRecord`; written last, by rename
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import nan
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256, write_whole
from echobench.data.frames import PHASES, VIEWS
from echobench.data.labels import TABLE_REGIONS
from echobench.results.evidence.comparison import Group, Run
from echobench.results.evidence.statistics import (
    LEVEL,
    MEAN,
    RESAMPLES,
    bootstrap_interval,
    compared_pairs,
    patient_values,
    seed_spread,
)
from echobench.results.shown.figures import column_figure, looks_of
from echobench.results.shown.formats import Table, named_apart, numbered
from echobench.results.shown.published import published
from echobench.results.shown.tables import WHO, missed_structures, pair_table

PREFIX = "cross-"
ECHONET = "echonet"
"""The target that is EchoNet-Dynamic itself."""


@dataclass(frozen=True)
class CrossRecord:
    """What was scored.

    target: its name; dataset, view: whose frames, and of which view. regions: those that its experts drew. resize: how
    frames came to the U-Net's size and its labels back. fingerprint: SHA-256 of the frames. skipped: a sentence for
    each video that could not be read. run_sha256: of the scores in the run's own record, so that scores of other U-Nets
    are noticed. scores_sha256: of the CSV. machine: what the seconds are of; None in records from before it was kept.
    """

    target: str
    dataset: str
    view: str
    regions: list[str]
    frames: int
    patients: int
    unet_seeds: list[int]
    resize: str
    fingerprint: str
    skipped: list[str]
    seconds: float
    commit: str | None
    versions: dict[str, str]
    finished: str
    run_sha256: str
    scores_sha256: str = ""
    machine: dict[str, Any] | None = None

    @property
    def region(self) -> str:
        """What is compared: the mean of the paper's regions where all are drawn, else the first that is."""
        return MEAN if set(TABLE_REGIONS) <= set(self.regions) else self.regions[0]


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


def write_cross(run: Path, record: CrossRecord, scores: pd.DataFrame) -> None:
    """Write a target's files into a run's folder, in place of earlier ones."""
    csv, path = run / f"{PREFIX}{record.target}.csv", run / f"{PREFIX}{record.target}.json"
    path.unlink(missing_ok=True)
    scores.to_csv(csv, index=False)
    document = asdict(record) | {"scores_sha256": file_sha256(csv)}
    write_whole(path, json.dumps(document, indent=1, sort_keys=True) + "\n")


def read_cross(run: Path, target: str) -> tuple[CrossRecord, pd.DataFrame] | None:
    """A target's record and scores; None where it was not scored. Raises EchobenchError for damaged files."""
    path, csv = run / f"{PREFIX}{target}.json", run / f"{PREFIX}{target}.csv"
    if not path.is_file():
        return None
    try:
        document = {"machine": None} | json.loads(path.read_text())
        record = CrossRecord(**{field.name: document[field.name] for field in fields(CrossRecord)})
        if file_sha256(csv) != record.scores_sha256:
            raise ValueError("scores are not those of the record")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EchobenchError(f"{path} or {csv.name} is damaged; delete both and run `echobench cross` again") from error
    return record, pd.read_csv(csv, dtype={"patient": str, "view": str, "phase": str, "region": str})


def crossed_runs(group: Group) -> list[list[Crossed]]:
    """The runs of a group that were scored on the same frames, a list for each target and set of frames.

    Scores that are not of the U-Nets in a run's record are passed over; `echobench cross` makes them anew.
    """
    together: dict[tuple[str, str], list[Crossed]] = {}
    for run in group.runs:
        for path in sorted(run.folder.glob(f"{PREFIX}*.json")):
            found = read_cross(run.folder, path.stem.removeprefix(PREFIX))
            if found and found[0].run_sha256 == run.record.scores_sha256:
                together.setdefault((found[0].target, found[0].fingerprint), []).append(Crossed.of(run, *found))
    return list(together.values())


def cross_tables(group: Group) -> list[Table]:
    """For each target the Dice there beside that on the run's own scored patients, and what speaks for differences."""
    tables: list[Table] = []
    for crossed in crossed_runs(group):
        tables.append(gap_table(group, crossed))
        if len(crossed) > 1:
            tables.append(_evidence_table(group, crossed))
    return named_apart(tables)


def cross_figures(group: Group) -> dict[str, Figure]:
    """A figure for each target: Dice on the own scored patients and there, with 95 % intervals."""
    crossed = crossed_runs(group)
    names = numbered([f"{PREFIX}{one[0].record.target}" for one in crossed])
    return {name: _figure(group, one) for name, one in zip(names, crossed, strict=True)}


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


def gap_table(group: Group, crossed: Sequence[Crossed]) -> Table:
    """A row per run of those scored on the same frames: Dice on its own scored patients and there."""
    record = crossed[0].record
    region = record.region
    pooled_region = region if region != MEAN else TABLE_REGIONS[0]
    return Table(
        name=f"{PREFIX}{record.target}",
        caption=f"Dice ({_words(region)}) in % on {_target(record)}, beside that on the runs' own {group.whom}. "
        f"{group.title}. Mean ± standard deviation over patients, whose images are averaged first; where the two have "
        f"views or phases in common, of these. pooled: all pixels of {pooled_region} together, as EchoNet-Dynamic "
        f"reports, with its 5th and 95th percentile. {record.resize}.",
        frame=pd.DataFrame([_row(one, region, pooled_region) for one in crossed]),
        formats=dict.fromkeys(("own", "there", "there 95 %", "ED", "ES", "pooled", "pooled 5th", "pooled 95th"), ".1f")
        | {"gap": "+.1f", "gap 95 %": "+.1f", "seed std": ".2f"},
        notes=(*_skipped(record), *_published(record), *group.notes),
    )


def _row(one: Crossed, region: str, pooled_region: str) -> dict[str, object]:
    own, there = patient_values(one.own, region=region), patient_values(one.there, region=region)
    row: dict[str, object] = {WHO: one.run.label}
    row |= {"own mean": own.mean(), "own std": own.std(), "there mean": there.mean(), "there std": there.std()}
    row["there low"], row["there high"] = bootstrap_interval(there)
    row["gap"], row["gap low"], row["gap high"] = gap(own, there, paired=one.same_patients)
    for phase in (phase for phase in PHASES if (one.there["phase"] == phase).any()):
        values = patient_values(one.there[one.there["phase"] == phase], region=region)
        row |= {f"{phase} mean": values.mean(), f"{phase} std": values.std()}
    row["pooled"], row["pooled 5th"], row["pooled 95th"] = pooled_dice(one.there, pooled_region)
    return row | {
        "missed": missed_structures(one.there),
        "patients": len(there),
        "seed std": seed_spread(one.there, region=region),
        "U-Net seeds": len(one.record.unet_seeds),
    }


def _evidence_table(group: Group, crossed: Sequence[Crossed]) -> Table:
    record = crossed[0].record
    pairs = compared_pairs({one.run.label: one.there for one in crossed}, record.region)
    return replace(
        pair_table(pairs, group.title, group.notes),
        name=f"{PREFIX}{record.target}-evidence",
        caption=f"Dice ({_words(record.region)}) of the first minus the second on {_target(record)}, in points of %. "
        f"{group.title}.",
    )


def _skipped(record: CrossRecord) -> Iterator[str]:
    if record.skipped:
        yield f"{len(record.skipped)} left out as unreadable: {'; '.join(record.skipped[:5])}" + (
            " …" if len(record.skipped) > 5 else ""
        )


def _published(record: CrossRecord) -> Iterator[str]:
    """What papers report on EchoNet-Dynamic, where it is the target."""
    if record.target != ECHONET:
        return
    table = published()
    theirs = table[table["test_dataset"].str.startswith("EchoNet-Dynamic")].astype({"std": str})
    for row in theirs.to_dict("records"):
        spread = "" if row["std"] == "nan" else f" ± {row['std']}"
        yield (
            f"Published: {row['generator']}, trained on {row['train_data']}, {row['test_dataset']}: "
            f"{row['mean']}{spread} ({row['unit']}; {row['paper']}, {row['edition']}, {row['locator']})."
        )


def _figure(group: Group, crossed: Sequence[Crossed]) -> Figure:
    region, looks = crossed[0].record.region, looks_of(group)
    pairs = [
        (one.run.label, patient_values(one.own, region=region), patient_values(one.there, region=region))
        for one in crossed
    ]
    pairs.sort(key=lambda pair: -pair[2].mean())
    with column_figure(0.9 + 0.34 * len(pairs)) as figure:
        axes = figure.subplots()
        for y, (label, own, there) in enumerate(pairs):
            colour = looks[label][0]
            for values, face, shift in ((own, "white", -0.12), (there, colour, 0.12)):
                low, high = bootstrap_interval(values)
                axes.plot([low, high], [y + shift] * 2, color=colour, linewidth=1.2)
                axes.plot(values.mean(), y + shift, marker="o", markersize=5, color=colour, markerfacecolor=face)
        axes.set_yticks(range(len(pairs)), [label for label, _, _ in pairs])
        axes.set_ylim(len(pairs) - 0.5, -0.5)
        axes.set_xlabel(f"{'mean' if region == MEAN else region} Dice (%)")
        for name, face in ((f"own {group.whom}", "white"), (crossed[0].record.target, "black")):
            axes.plot([], [], "o", markersize=5, color="black", markerfacecolor=face, label=name)
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def _words(region: str) -> str:
    return f"the mean of {', '.join(TABLE_REGIONS)}" if region == MEAN else region


def _target(record: CrossRecord) -> str:
    return f"{record.dataset}, {record.view} ({record.frames} frames of {record.patients} patients)"
