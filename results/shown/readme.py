"""The tables and figures of README and docs/, from the measured records; `make readme` writes them."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd
from matplotlib.figure import Figure

from echobench.results.evidence.adherence import STRESS_RULE, decay
from echobench.results.evidence.comparison import Comparison, Group
from echobench.results.evidence.cross import crossed_runs
from echobench.results.evidence.networks import rank_stabilities
from echobench.results.evidence.realism import agreements
from echobench.results.evidence.statistics import RULE
from echobench.results.evidence.sweep import sweeps
from echobench.results.evidence.worth import PatientSweep, patient_sweeps
from echobench.results.records.realism import REALISM
from echobench.results.records.run import RECORD
from echobench.results.records.stress import STRESS, read_stress
from echobench.results.shown.agreement import agreement_figure
from echobench.results.shown.cross import gap_table
from echobench.results.shown.curves import cost_figure, evaluation_figure, image_figure, training_figure
from echobench.results.shown.formats import capitalised, markdown, numbered
from echobench.results.shown.networks import in_words
from echobench.results.shown.overview import overview_markdown
from echobench.results.shown.readme_answer import answer_markdown, best_alone
from echobench.results.shown.readme_tables import published_markdown, runs_markdown, scores_markdown, speed_markdown
from echobench.results.shown.stress_figure import stress_figures
from echobench.results.shown.stress_finding import short_finding
from echobench.results.shown.stress_tables import ladder_table
from echobench.results.shown.sweep import cell_table
from echobench.results.shown.sweep_figure import sweep_figure
from echobench.results.shown.worth import NAME, worth_in_words, worth_overview, worth_table
from echobench.results.shown.worth_figure import worth_figure

_MARKED = re.compile(r"(?P<start><!-- (?P<kind>\w+): (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
DPI = 200


Commands = Callable[[str, Sequence[Path]], Sequence[str]]
"""The commands that make a block of this kind, as in a shell, from the places of its records."""
Maker = Callable[[Path, str], str]
"""The text of a block, from the folder of the measured records and the block's name."""


def with_tables(
    text: str,
    measured: Path,
    commands: Commands = lambda kind, places: (),
    more: Mapping[str, Maker] = MappingProxyType({}),
) -> str:
    """The text with what stands between its markers made anew; nothing where there is no record of it.

    commands: what gives the commands below each table; a record alone cannot, as it does not know the presets.
    more: makers of further kinds of blocks, for what records alone do not know.
    """
    makers = {**_MAKERS, **more}

    def made(match: re.Match[str]) -> str:
        kind, name = match["kind"], match["name"]
        table, places = makers[kind](measured, name), places_of(measured, kind, name)
        return f"{match['start']}{table}{_in_a_shell(commands(kind, places)) if places else ''}{match['end']}"

    return _MARKED.sub(made, text)


PLACES = {
    "table": f"{{}}-*/{RECORD}",
    "cross": f"{{}}-*/{RECORD}",
    "curve": f"{{}}/*/{RECORD}",
    "sweep": f"{{}}-sweep/*/{RECORD}",
    "worth": f"{{}}-worth/*/{RECORD}",
    "patients": f"{{}}-worth/*/{RECORD}",
    "stress": f"{{}}-stress/{STRESS}",
    "speed": "speed-{}.csv",
}
"""Where the records of a kind of block lie; the block's name stands for the braces."""


def places_of(measured: Path, kind: str, name: str) -> list[Path]:
    """The folders of a block's records; of speeds, the file."""
    found = sorted(measured.glob(PLACES[kind].format(name))) if kind in PLACES else []
    return [path if kind == "speed" else path.parent for path in found]


def _in_a_shell(commands: Sequence[str]) -> str:
    """A block of shell commands, folded up where it is long."""
    if not commands:
        return ""
    block = "\n".join(["```sh", *commands, "```", ""])
    if len(commands) <= _SHOWN:
        return f"\n{block}"
    return f"\n<details><summary>Made by {len(commands)} commands</summary>\n\n{block}\n</details>\n"


_SHOWN = 2
FEW_PATIENTS = 10
"""About so many patients is the answer for: a clinic that begins."""


def _dice(measured: Path, dataset: str) -> str:
    """Of the runs on a dataset, a table for each group."""
    return "\n".join(map(runs_markdown, groups_of(measured, "table", dataset)))


def _overview(measured: Path, dataset: str) -> str:
    """Of the runs on a dataset, the one table for each group."""
    return "\n".join(map(overview_markdown, groups_of(measured, "table", dataset)))


def _agreement(measured: Path, dataset: str) -> str:
    """Whether realism goes with Dice over the runs on a dataset, in sentences."""
    groups = judged_groups(measured, dataset)
    return "\n".join(f"{group.title}:\n\n" + "".join(f"- {one}\n" for one in agreements(group)) for group in groups)


def judged_groups(measured: Path, dataset: str) -> tuple[Group, ...]:
    """Of all runs on a dataset whose realism was measured: those of curves and sweeps, too, are points of their own."""
    records = [path for depth in ("", "*/") for path in sorted(measured.glob(f"{dataset}-*/{depth}{RECORD}"))]
    found = [path.parent for path in records if (path.parent / REALISM.name).is_file()]
    return Comparison.of(found).groups if found else ()


def _answer(measured: Path, dataset: str) -> str:
    """The answer of the runs on a dataset, a list for each group; then what drawn images reach alone with settings that
    validation patients chose, and what they are worth beside real frames."""
    answers = "\n".join(map(answer_markdown, groups_of(measured, "table", dataset)))
    for sentence in filter(None, map(best_alone, groups_of(measured, "curve", f"{dataset}-alone"))):
        answers += f"- **At best?** {sentence}\n"
    worth = [one for sweep in _worths(measured, dataset) for one in worth_in_words(sweep, FEW_PATIENTS)]
    return answers + (f"- **Worth how many patients?** {' '.join(worth)}\n" if worth else "")


def _scores(measured: Path, dataset: str) -> str:
    """Of the runs on a dataset, every metric, a table for each group."""
    return "\n".join(map(scores_markdown, groups_of(measured, "table", dataset)))


def _published(measured: Path, dataset: str) -> str:
    """Of the runs on a dataset, the paper's Table 1 beside them."""
    groups = groups_of(measured, "table", dataset)
    return published_markdown(groups) if groups else ""


def _networks(measured: Path, folder: str) -> str:
    """Whether the networks of the runs in a folder put them in the same order, in sentences."""
    found = rank_stabilities(groups_of(measured, "curve", folder))
    return "".join(f"- {in_words(one)}.\n" for one in found)


def _curve(measured: Path, folder: str) -> str:
    """Of the runs in a folder, which differ in one setting, a table for each group."""
    return "\n".join(map(runs_markdown, groups_of(measured, "curve", folder)))


def _speed(measured: Path, preset: str) -> str:
    return "\n".join(speed_markdown(pd.read_csv(path)) for path in places_of(measured, "speed", preset))


def _cross(measured: Path, dataset: str) -> str:
    """Dice of the runs on a dataset there and on other data."""
    groups = groups_of(measured, "cross", dataset)
    tables = ((group.title, gap_table(group, crossed)) for group in groups for crossed in crossed_runs(group.runs))
    return "\n".join(f"{title}:\n\n{markdown(table)}" for title, table in tables)


def _rule(measured: Path, name: str) -> str:
    """How a verdict is reached."""
    return f"{_RULES[name]}\n"


_RULES = {"verdict": RULE, "stress": STRESS_RULE}


def groups_of(measured: Path, kind: str, name: str) -> tuple[Group, ...]:
    """Of the runs of a block."""
    found = places_of(measured, kind, name)
    return Comparison.of(found).groups if found else ()


def _stress(measured: Path, dataset: str) -> str:
    """How good each generator is on ordinary maps, and where it loses its map."""
    folder = measured / f"{dataset}-stress"
    if not folder.is_dir():
        return ""
    record, scores = read_stress(folder)
    judge = f"reference U-Net with a Dice of {100 * record.judge['dice']:.1f} on deformed frames"
    said = f"{capitalised(record.title)}; preset `{record.preset}`, {judge}:"
    found = decay(scores)
    sentences = "".join(f"- {sentence}\n" for sentence in short_finding(found, scores))
    return f"{said}\n\n{markdown(ladder_table(found, record.title))}\n{sentences}"


def _sweep(measured: Path, dataset: str) -> str:
    """Dice of every cell."""
    folders = sorted((measured / f"{dataset}-sweep").glob("*/"))
    found = sweeps(folders) if folders else []
    return "\n".join(f"{sweep.title}:\n\n{markdown(cell_table(sweep))}" for sweep in found)


def _worth(measured: Path, dataset: str) -> str:
    """How many patients each row is worth, as a table; in words for a clinic that begins."""
    found = _worths(measured, dataset)
    return "\n".join(f"{sweep.title}:\n\n{_listed_worth(sweep)}{markdown(worth_table(sweep))}" for sweep in found)


def _patients(measured: Path, dataset: str) -> str:
    """The same in one look."""
    found = map(worth_overview, _worths(measured, dataset))
    return "\n".join(f"{table.caption}:\n\n{markdown(table)}" for table in found)


def _worths(measured: Path, dataset: str) -> list[PatientSweep]:
    return list(patient_sweeps(places_of(measured, "worth", dataset)))


def _listed_worth(sweep: PatientSweep) -> str:
    lines = "".join(f"- {sentence}\n" for sentence in worth_in_words(sweep, FEW_PATIENTS))
    return f"{lines}\n" if lines else ""


_MAKERS: Mapping[str, Maker] = {
    "table": _dice, "speed": _speed, "cross": _cross, "stress": _stress, "sweep": _sweep, "curve": _curve,
    "rule": _rule, "answer": _answer, "worth": _worth, "overview": _overview, "agreement": _agreement,
    "scores": _scores, "published": _published, "networks": _networks, "patients": _patients,
}  # fmt: skip
CURVES = {"evaluations": evaluation_figure, "images": image_figure, "minutes": training_figure}
"""Figures of folders whose runs differ in one setting, by the end of the folder's name."""


def figures(measured: Path) -> dict[Path, Figure]:
    """Of the datasets, sweeps, stresses and curves, by the file of each beside its records."""
    datasets = sorted({path.parent.name.partition("-")[0] for path in measured.glob(f"*/{RECORD}")})
    compared = {
        measured / f"{name}.png": draw(group)
        for dataset in datasets
        for kind, draw, groups in (
            ("cost", cost_figure, groups_of(measured, "table", dataset)),
            ("agreement", agreement_figure, judged_groups(measured, dataset)),
        )
        for name, group in zip(numbered([f"{dataset}-{kind}"] * len(groups)), groups, strict=True)
    }
    swept = {
        folder / f"{sweep.axis}.png": sweep_figure(sweep)
        for folder in sorted(measured.glob("*-sweep"))
        for sweep in sweeps(sorted(folder.glob("*/")))
    }
    swept |= {
        folder / f"{NAME}.png": worth_figure(sweep)
        for folder in sorted(measured.glob("*-worth"))
        for sweep in patient_sweeps(sorted(folder.glob("*/")))
    }
    stressed = {
        folder / f"{name}.png": figure
        for folder in sorted(measured.glob("*-stress"))
        for name, figure in stress_figures(decay(read_stress(folder)[1])).items()
    }
    curves = {
        folder / f"{name}.png": draw(group)
        for name, draw in CURVES.items()
        for folder in sorted(measured.glob(f"*-{name}"))
        for group in groups_of(measured, "curve", folder.name)
    }
    return swept | stressed | {path: figure for path, figure in (compared | curves).items() if figure}
