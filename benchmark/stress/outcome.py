"""What a finished stress shows: tables, figures, pictures, and the finding in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from echobench.benchmark.run.pictures import DPI
from echobench.benchmark.run.stages import StageFolder
from echobench.benchmark.stress.pictures import Row, picture
from echobench.benchmark.stress.stress import cell_name, cells_folder
from echobench.data.base.files import working_in, write_whole
from echobench.results.evidence.adherence import DOUBT, LOST, decay, lost_maps
from echobench.results.records.run import PICTURES
from echobench.results.records.stress import StressRecord, read_stress
from echobench.results.shown.files import FIGURES, TABLES, write_figures, write_tables
from echobench.results.shown.formats import Table
from echobench.results.shown.stress_figure import stress_figures
from echobench.results.shown.stress_finding import finding, short_finding
from echobench.results.shown.stress_tables import decay_table, ladder_table, ordinary_table, structure_table
from echobench.segmentation.segmenter import Segmenter

FINDING = "finding.txt"


@dataclass(frozen=True)
class Outcome:
    """ladder: how good each generator is, and where it loses its map. finding: the same in sentences; short: the first
    of them. tables: the ladder and the others. folder: where all of it lies. title: on what."""

    folder: Path
    title: str
    ladder: Table
    finding: list[str]
    short: list[str]
    tables: list[Table]


def write_outcome(folder: Path) -> Outcome:
    """Of the stress in a folder: tables/, figures/, pictures/ and finding.txt beside its record."""
    record, scores = read_stress(folder)
    found = decay(scores)
    ladder, title = ladder_table(found, record.title), record.title
    tables = [ladder, ordinary_table(found, title), decay_table(found, title), structure_table(scores, title)]
    outcome = Outcome(folder, title, ladder, finding(found, scores), short_finding(found, scores), tables)
    with working_in(folder, TABLES, FIGURES, PICTURES):
        write_tables(tables, folder / TABLES)
        write_whole(folder / FINDING, "".join(f"{sentence}\n" for sentence in outcome.finding))
        write_figures(stress_figures(found), folder / FIGURES)
        _write_pictures(folder, record, {verdict: lost_maps(found, verdict) for verdict in (LOST, DOUBT)})
    return outcome


def _write_pictures(folder: Path, record: StressRecord, called: Mapping[str, set[tuple[str, str, float]]]) -> None:
    """A picture of each severity, and one with the judge's contours."""
    stages = StageFolder(folder, "cpu")
    judge = Segmenter.load(stages.kept(stages.work / "judge.pt"))
    for severity in record.settings["severities"]:
        rows = list(_rows(folder, record, severity, called, judge))
        for ending, contours in (("", False), ("-contours", True)):
            heading = f"{record.dataset}, severity {severity:g}"
            if not rows:
                continue
            figure = picture(rows, list(record.generators), heading, contours=contours)
            write_figures({f"severity-{severity:g}{ending}": figure}, folder / PICTURES, DPI)


def _rows(
    folder: Path,
    record: StressRecord,
    severity: float,
    called: Mapping[str, set[tuple[str, str, float]]],
    judge: Segmenter,
) -> Iterator[Row]:
    """Every deformation that applies at a severity, on the first frame that it applies to. called: see `lost_maps`."""
    cells = cells_folder(folder)
    for name in record.settings["deformations"]:
        if not (path := cells / f"{name}.npz").is_file():
            continue
        with np.load(path) as maps:
            place = np.flatnonzero(maps["severity"] == severity)
            if not len(place):
                continue
            i, patient = place[0], str(maps["patient"][place[0]])
            of_map = {key: maps[key][i] for key in ("labels", "changed", "sector", "spacing_mm")}
        images = {}
        for label, one in record.generators.items():
            cell = cells / f"{cell_name(name, one['name'], one['weights_sha256'])}.npz"
            if cell.is_file():
                with np.load(cell) as stored:
                    images[label] = stored["images"][i]
        if not images:
            continue
        seen = dict(zip(images, judge.predict(np.array(list(images.values()))), strict=True))
        lost, doubtful = (
            {label for label in images if (label, name, severity) in called[verdict]} for verdict in (LOST, DOUBT)
        )
        yield Row(name, patient, **of_map, images=images, seen=seen, lost=lost, doubtful=doubtful)
