"""The paper's Table 1 with what was measured here beside it, and the published numbers themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import nan

import pandas as pd

from echobench.data.frames import PHASES, VIEWS
from echobench.data.labels import TABLE_REGIONS
from echobench.results.evidence.comparison import Group
from echobench.results.evidence.statistics import MEAN, patient_values
from echobench.results.records.run import Run, RunRecord
from echobench.results.shown.formats import Table

EDITION, LOCATOR = "arXiv:2305.05424v2", "Table 1"
DATASET, PATIENTS, SPLIT = "CAMUS", 50, "official"
NETWORK = "MONAI U-Net 8 levels 2..256"
"""The U-Net of the paper as published.csv calls it; ours differs where a record's deviations say so."""

DIFFERENCES = ("network", "split", "training", "test frames", "scoring")
"""Kinds of difference between a row measured here and the published one."""

_ALL = frozenset(f"{view} {phase}" for view in VIEWS for phase in PHASES)
_REGIONS = (*TABLE_REGIONS, MEAN)
_THEIRS = "published"
_NETWORK_SETTINGS = ("unet.network", "unet.channels", "unet.leaky_slope", "unet.image_size_px")
_SAID = ("data:", "data.split:", "data.frames:", "sdm.frames:", "cyclegan.segmentation:", "scoring.patients:")
"""Departures that the table says itself: in its caption, or of a row or run."""


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper's table. train_data: what published.csv calls it; frames: what the U-Net trained on and was
    scored on, by view and phase."""

    name: str
    generator: str
    train_data: str

    @property
    def frames(self) -> frozenset[str]:
        return _ALL if self.train_data == "all" else frozenset({self.train_data})


ROWS = (
    PaperRow("4C ED", "sdm", "4C ED"),
    PaperRow("4C ES", "sdm", "4C ES"),
    PaperRow("2C ED", "sdm", "2C ED"),
    PaperRow("2C ES", "sdm", "2C ES"),
    PaperRow("all frames", "sdm", "all"),
    PaperRow("CycleGAN", "cyclegan", "all"),
    PaperRow("all real", "real", "all"),
)


def published() -> pd.DataFrame:
    """Numbers of others, each with paper, edition and place; nothing measured here."""
    with (files("echobench.results.shown") / "published.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream)


def paper_table(groups: Sequence[Group]) -> Table:
    """Table 1 of "Echo from noise", Dice in per cent, mean ± std over patients, with ours in columns of their own.

    groups: of one dataset and split, a view each (`Comparison.across_views`). A row that no run stands for has the
    published numbers alone; where several do, it is repeated. Where a row was not run as published, the nearest that
    was stands there, scored on the row's frames; the column `differs` says so, the notes say how.
    """
    runs = [run for group in groups for run in group.runs]
    rows: list[dict[str, object]] = []
    notes: list[str] = []
    of_runs: dict[str, str] = {}
    for paper in ROWS:
        theirs = _published_row(paper)
        nearest = _nearest(paper, runs)
        rows += [] if nearest else [{"row": paper.name, "run": ""} | _measured(paper, None) | theirs]
        for run in nearest:
            name = f"{run.label}, {run.record.view}"
            of_row, of_run = _of_row(paper, run, str(theirs["U-Net"])), _of_run(run.record)
            kinds = {kind for kind, _ in of_row + of_run}
            differs = ", ".join(kind for kind in DIFFERENCES if kind in kinds)
            rows.append({"row": paper.name, "run": name} | _measured(paper, run) | theirs | {"differs": differs})
            notes += [f"{paper.name}: {how}." for _, how in of_row]
            of_runs |= {name: f"{name}: {'; '.join(how for _, how in of_run)}."} if of_run else {}
    return Table(
        name="table-1",
        caption=f"Table 1 of “Echo from noise” ({EDITION}) beside what was measured here: Dice in %, mean ± standard "
        "deviation, ours over test patients, the published over test images. That of the published mean is over the "
        f"three regions, and left out. {'; '.join(group.title for group in groups)}.",
        frame=pd.DataFrame(rows).drop(columns="U-Net"),
        formats=dict.fromkeys([f"{region}{side}" for region in _REGIONS for side in ("", f" {_THEIRS}")], ".1f"),
        notes=(*notes, *of_runs.values()),
    )


def _nearest(paper: PaperRow, runs: Sequence[Run]) -> list[Run]:
    """The runs of the row's generator that share most frames with it and have the fewest others."""
    alone = [run for run in runs if run.record.settings["mix"] is None]
    distances = {
        run: (-len(_frames(run) & paper.frames), len(_frames(run) - paper.frames))
        for run in alone
        if run.record.generator == paper.generator and _frames(run) & paper.frames
    }
    return [run for run, distance in distances.items() if distance == min(distances.values())]


def _frames(run: Run) -> frozenset[str]:
    """View and phase of what a run was scored on, which are those that it trained on."""
    return frozenset((run.scores["view"] + " " + run.scores["phase"]).unique())


def _measured(paper: PaperRow, run: Run | None) -> dict[str, object]:
    if run is None:
        return {f"{region} {part}": nan for region in _REGIONS for part in ("mean", "std")}
    scores = run.scores[(run.scores["view"] + " " + run.scores["phase"]).isin(paper.frames)]
    values = {region: patient_values(scores, region=region) for region in _REGIONS}
    return {
        f"{region} {part}": float(number)
        for region, of_patients in values.items()
        for part, number in (("mean", of_patients.mean()), ("std", of_patients.std()))
    }


def _published_row(paper: PaperRow) -> dict[str, object]:
    table = published()
    here = (table["edition"] == EDITION) & (table["locator"] == LOCATOR) & (table["generator"] == paper.generator)
    chosen = table[here & (table["train_data"] == paper.train_data)].set_index("region")
    values = chosen[["mean", "std"]].to_dict("index")
    values[MEAN]["std"] = nan  # in every row it is the scatter of the three regions: 4.9 of 91.3, 94.0 and 82.6
    numbers = {f"{region} {_THEIRS} {part}": values[region][part] for region in _REGIONS for part in ("mean", "std")}
    network = chosen.loc[MEAN, "segmentation_network"]
    return numbers | {"edition": EDITION, "table": LOCATOR, "U-Net": network}


def _of_row(paper: PaperRow, run: Run, network: str) -> list[tuple[str, str]]:
    """In what a run differs from one published row, kind and words. network: the U-Net of that row."""
    found = []
    if network != NETWORK:
        found.append(("network", f"U-Net of “Echo from noise”, published: {network}"))
    scored = _frames(run) & paper.frames
    for kind, did, ours in (("training", "trained", _frames(run)), ("test frames", "scored", scored)):
        if ours != paper.frames:
            one, other = (", ".join(sorted(frames)) for frames in (ours, paper.frames))
            found.append((kind, f"{did} on {one}, published: on {other}"))
    return found


def _of_run(record: RunRecord) -> list[tuple[str, str]]:
    """In what a run differs from the paper, whatever the row, kind and words."""
    found = []
    if (record.dataset, record.split_origin, len(record.test_patients)) != (DATASET, SPLIT, PATIENTS):
        ours = f"{record.dataset}, split {record.split_origin}, {len(record.test_patients)} test patients"
        found.append(("split", f"{ours}, paper {DATASET}, {SPLIT}, {PATIENTS}"))
    found += [(_kind(line), line) for line in record.deviations if not line.startswith(_SAID)]
    return found


def _kind(line: str) -> str:
    if line.startswith(("scores:", "scoring.")):
        return "scoring"
    return "network" if line.startswith(_NETWORK_SETTINGS) else "training"
