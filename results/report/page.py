"""One self-contained HTML page of a comparison: no network, readable without scripts, printable.

Numbers are those of `results.tables` and its siblings, as text; a run's label leads to its record. What is in the
page comes from records, and records from anyone: every text is escaped, and a policy in the page's head forbids it to
load or to send anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import pandas as pd
from jinja2 import Environment, StrictUndefined, Template

from echobench.data.base.files import working_in, write_whole
from echobench.results.evidence.comparison import Comparison, Failure, Group
from echobench.results.evidence.realism import agreements
from echobench.results.evidence.stressed import Stressed, stresses_beside
from echobench.results.report.answer import answer, caveats
from echobench.results.report.contents import group_figures, group_tables, paper_tables
from echobench.results.report.pictures import Left, left_pictures, panel, stress_pictures, svg
from echobench.results.report.provenance import Provenance, provenance, shared_deviations
from echobench.results.report.shown import ShownTable, shown_table
from echobench.results.shown.figures import CAPTIONS
from echobench.results.shown.formats import listed
from echobench.results.shown.networks import network_tables
from echobench.results.shown.palette import LABEL_NAMES, LABELS
from echobench.results.shown.stress_figure import CAPTIONS as STRESS_CAPTIONS
from echobench.results.shown.stress_figure import score_figures
from echobench.results.shown.stress_finding import finding
from echobench.results.shown.stress_tables import ladder_table, ordinary_table
from echobench.results.shown.tables import WHO
from echobench.results.shown.verdicts import TONES, Verdict, real_frames, verdict_rows

REPORT = "report.html"
QUESTION = "Which generator of synthetic echocardiograms can be trusted, and what does it cost?"
_COUNTED = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NO_REALISM = "The realism of what these runs drew was not measured."

_SECTIONS = (
    ("In one look", ("overview",), ("cross",)),
    ("Dice", ("summary", "dice"), ("dice", "regions")),
    ("Evidence", ("evidence",), ()),
    ("Distances", (), ()),
    ("Other scores", (), ()),
    ("Missed structures", ("missed",), ()),
    ("Ejection fraction", ("ejection",), ("ejection",)),
    ("Realism", ("realism", "inception", "speckle", "adherence", "copies", "agreement"), ("agreement", "number")),
    ("Other data", ("cross",), ()),
    ("Cost", ("cost",), ("cost", "evaluations", "training", "images")),
)
"""Heading, tables and figures by the beginning of their names; see also `_of_metrics`."""


@dataclass(frozen=True)
class ShownFigure:
    """A figure as the page has it. alt: where its numbers are, for readers who cannot see it."""

    uri: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Section:
    """Part of a group."""

    title: str
    sentences: tuple[str, ...]
    tables: tuple[ShownTable, ...]
    figures: tuple[ShownFigure, ...]
    pictures: tuple[Left, ...] = ()


@dataclass(frozen=True)
class ShownGroup:
    """A group as the page has it. patients: whether its frames are of patients. frames: what `real` has drawn.
    reference: its Dice. verdicts: a row for each generator. links: where labels lead. deviations: from the paper, of
    all its runs, then by label of each."""

    anchor: str
    title: str
    patients: bool
    frames: str
    reference: str
    verdicts: tuple[Verdict, ...]
    links: Mapping[str, str]
    answer: tuple[str, ...]
    caveats: tuple[str, ...]
    notes: tuple[str, ...]
    sections: tuple[Section, ...]
    deviations: tuple[list[str], Mapping[str, Sequence[str]]]
    failures: tuple[Failure, ...]
    pictures: tuple[Left, ...]
    records: tuple[Provenance, ...]


def title_of(comparison: Comparison) -> str:
    """What a person would call the page: how many generators were compared, and on what."""
    records = [run.record for group in comparison.groups for run in group.runs]
    generators = len({record.generator for record in records if record.generator != "real"})
    if not records:
        return "A comparison of generators of echocardiograms: no run has finished"
    counted = _COUNTED[generators] if generators < len(_COUNTED) else f"{generators}"
    names = dict.fromkeys(
        f"{'the phantom' if r.dataset == 'phantom' else r.dataset} ({_VIEWS.get(r.view, r.view)})" for r in records
    )
    many = "generator" if generators == 1 else "generators"
    return f"{counted.capitalize()} {many} of echocardiograms on {listed(list(names))}"


_VIEWS = {"4C": "four-chamber view", "2C": "two-chamber view", "all": "both views"}


def write_report(folder: Path, comparison: Comparison, pictures: Mapping[str, Path] = MappingProxyType({})) -> Path:
    """Write report.html into a folder and return its path.

    A stress in the same folder as the runs is in the page, see `stresses_beside`.

    pictures: of the same label maps, a folder of PNGs per row of the panel (`benchmark.panel.save_panel`); without
    them, the page has the pictures that lie in the runs' folders, if any. Both may show frames of real patients: the
    page then says that it is not to be passed on.
    """
    of_groups = {f"group-{number}": group for number, group in enumerate(comparison.groups, start=1)}
    links = {
        run.folder: f"#{anchor}-run-{number}"
        for anchor, group in of_groups.items()
        for number, run in enumerate(group.runs, start=1)
    }
    runs = [run for group in comparison.groups for run in group.runs]
    labels = [run.label for run in runs]
    shown_panel = panel(pictures)
    text = _template().render(
        title=title_of(comparison),
        question=QUESTION,
        groups=[_group(group, anchor, links, with_pictures=shown_panel is None) for anchor, group in of_groups.items()],
        paper_tables=_paper_tables(comparison, links),
        network_tables=[shown_table(table, table.name, {}) for table in network_tables(comparison)],
        panel=shown_panel,
        links={run.label: links[run.folder] for run in runs if labels.count(run.label) == 1},
        tones=TONES.items(),
        legend=[(LABELS[label], LABEL_NAMES[label]) for label in LABELS],
        differences=comparison.differences,
        failures=comparison.failures,
        version=version("echobench"),
        style=_file("style.css"),
        script=_file("script.js"),
    )
    path = folder / REPORT
    with working_in(folder):
        write_whole(path, text)
    return path


def _group(group: Group, anchor: str, links: Mapping[Path, str], *, with_pictures: bool) -> ShownGroup:
    tables = {table.name: table for table in group_tables(group)}
    of_labels = {failure.label: f"#{anchor}-failures" for failure in group.failures}
    of_labels |= {run.label: links[run.folder] for run in group.runs}
    evidence, stresses = tables["evidence"].frame, stresses_beside(group)
    verdicts = tuple(verdict_rows(group, stresses))
    shown = [
        shown_table(table, f"{anchor}-{name}", of_labels, said=group.notes)
        for name, table in tables.items()
        if len(table.frame)
    ]
    return ShownGroup(
        anchor=anchor,
        title=group.title,
        patients=group.runs[0].record.dataset != "phantom",
        frames=real_frames(group),
        reference=_reference(group, tables["summary"].frame),
        verdicts=verdicts,
        links=of_labels,
        answer=tuple(answer(group, tables["summary"].frame, evidence, verdicts)),
        caveats=tuple(caveats(group, evidence, stressed=bool(stresses))),
        notes=group.notes,
        sections=(
            *_sections(group, shown),
            *(_stress_section(one, f"{anchor}-stress-{n}", of_labels) for n, one in enumerate(stresses, start=1)),
        ),
        deviations=shared_deviations(group),
        failures=group.failures,
        pictures=tuple(left_pictures(group.runs)) if with_pictures else (),
        records=tuple(provenance(run, links[run.folder].removeprefix("#")) for run in group.runs),
    )


def _reference(group: Group, summary: pd.DataFrame) -> str:
    """Dice of the U-Net that everything is held against."""
    dice = summary.set_index(WHO)["Dice"]
    return listed([f"{dice[run.label]:.1f} %" for run in group.runs if run.is_reference] or ["not run"])


def _stress_section(stress: Stressed, anchor: str, of_labels: Mapping[str, str]) -> Section:
    """Where generators stop following their label maps, from the record of a stress."""
    title, links = stress.record.title, {there: of_labels[label] for label, there in stress.of_runs.items()}
    tables = (ladder_table(stress.found, title), ordinary_table(stress.found, title))
    return Section(
        "Extreme label maps",
        tuple(finding(stress.found, stress.scores)),
        tuple(shown_table(table, f"{anchor}-{table.name}", links) for table in tables),
        tuple(
            ShownFigure(
                svg(figure), f"Chart of {name} for {', '.join(stress.record.generators)}", STRESS_CAPTIONS[name]
            )
            for name, figure in score_figures(stress.found).items()
        ),
        tuple(stress_pictures(stress.folder)),
    )


def _sections(group: Group, tables: Sequence[ShownTable]) -> Iterator[Section]:
    figures = {
        name: ShownFigure(
            svg(figure),
            f"Chart of {name} for {', '.join(run.label for run in group.runs)}",
            CAPTIONS[_kind(name)].format(whom=group.whom),
        )
        for name, figure in group_figures(group).items()
    }
    of_metrics = _of_metrics(group)
    for title, of_tables, of_figures in _SECTIONS:
        kinds = {*of_tables, *of_metrics.get(title, ())}
        chosen = tuple(table for table in tables if _kind(table.name) in kinds)
        sentences = agreements(group) if title == "Realism" else []
        if not chosen and title == "Realism":
            sentences = [NO_REALISM]
        if chosen or sentences:
            drawn = [figures[name] for kind in of_figures for name in figures if _kind(name) == kind]
            yield Section(title, tuple(sentences), chosen, tuple(drawn))


def _of_metrics(group: Group) -> Mapping[str, set[str]]:
    """By heading, the tables of metrics beside Dice, which has a section of its own."""
    distances = {metric.short for metric in group.metrics.values() if metric.is_distance}
    return {
        "Distances": distances,
        "Other scores": {metric.short for metric in group.metrics.values()} - distances - {"dice"},
    }


def _kind(name: str) -> str:
    """What a table or figure is of: "cross" for "cross-echonet"."""
    return name.partition("-")[0]


def _paper_tables(comparison: Comparison, links: Mapping[Path, str]) -> list[ShownTable]:
    return [
        shown_table(
            table,
            f"paper-{number}",
            {f"{run.label}, {run.record.view}": links[run.folder] for group in groups for run in group.runs},
        )
        for number, (table, groups) in enumerate(paper_tables(comparison), start=1)
    ]


def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_file("page.html.j2"))


def _file(name: str) -> str:
    return (files("echobench.results.report") / name).read_text(encoding="utf-8")
