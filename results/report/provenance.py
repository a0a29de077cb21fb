"""Where a run's numbers come from: its record, as names and values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from echobench.data.base.differences import flat
from echobench.results.evidence.comparison import Group
from echobench.results.evidence.differences import shown
from echobench.results.records.run import Run
from echobench.results.report.shown import ShownTable, shown_table
from echobench.results.shown.formats import Table

Facts = Mapping[str, str]


@dataclass(frozen=True)
class Provenance:
    """A run's record. anchor: where it is on the page. facts: by heading, names and values; stages: their cost."""

    anchor: str
    label: str
    facts: Mapping[str, Facts]
    stages: ShownTable
    deviations: tuple[str, ...]


def provenance(run: Run, anchor: str) -> Provenance:
    """Everything that a record says, in words. The folder is named by its last part: paths stay on the machine."""
    record = run.record
    about = {
        "folder": run.folder.name,
        "generator": record.generator,
        "dataset": f"{record.dataset}, view {record.view}, split {record.split_origin}",
        "preset": record.preset,
        "training images": f"{record.training_images:,}",
        record.whom: f"{len(record.scored_patients)}: {', '.join(record.scored_patients)}",
        "parameters": f"{record.parameters:,}",
        "evaluations per image": f"{record.evaluations}",
        "started": record.started,
        "finished": record.finished,
        "commit": record.commit or "not known",
        "schema": f"{record.schema}",
    }
    fingerprints = record.fingerprints | {"scores.csv": record.scores_sha256}
    return Provenance(
        anchor,
        run.label,
        {
            "Run": about,
            "Settings": _settings(run),
            "Fingerprints (SHA-256)": fingerprints,
            "Machine": {name: shown(value) for name, value in record.machine.items()},
            "Versions": record.versions,
        },
        shown_table(_stages(run), f"{anchor}-stages"),
        tuple(map(readable, record.deviations)),
    )


def shared_deviations(group: Group) -> tuple[list[str], Mapping[str, Sequence[str]]]:
    """Where all runs of a group differ from the paper, and by label where each does beyond that."""
    of_runs = {run.label: list(map(readable, run.record.deviations)) for run in group.runs}
    first, *others = of_runs.values()
    shared = [line for line in first if others and all(line in lines for lines in others)]
    return shared, {label: [line for line in lines if line not in shared] for label, lines in of_runs.items()}


def _stages(run: Run) -> Table:
    return Table(
        name="stages",
        caption=f"Stages of {run.label}, in the order in which they were finished; of several attempts, the seconds "
        "are of the last.",
        frame=pd.DataFrame(run.record.stages),
        formats={"seconds": ",.1f"},
    )


def _settings(run: Run) -> Facts:
    """A line for each part: "generator, training" has "steps 5000, batch 8, …"."""
    parts: dict[str, list[str]] = {}
    for name, value in flat(run.record.settings).items():
        part, _, last = name.rpartition(".")
        words = part.replace("_settings", "").replace(".", ", ").replace("_", " ").replace("unet", "U-Net") or "run"
        parts.setdefault(words, []).append(f"{last.replace('_', ' ')} {shown(value)}")
    return {part: ", ".join(said) for part, said in parts.items()}


def readable(deviation: str) -> str:
    """A line of a record, "unet.batch_size: 8, paper 1", as people write it: "U-Net batch size: 8 (paper: 1)"."""
    name, colon, said = deviation.partition(": ")
    ours, paper, theirs = said.rpartition(", paper ")
    words = name.replace(".", " ").replace("_", " ").replace("unet ", "U-Net ")
    return f"{words}{colon}{f'{ours} (paper: {theirs})' if paper else said}"
