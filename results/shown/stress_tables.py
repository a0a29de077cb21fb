"""Tables of a stress, as pure functions of what `decay` finds."""

from typing import Any

import pandas as pd

from echobench.results.evidence.adherence import (
    DOUBT,
    FOLLOWS,
    IDEAL,
    LOST,
    MEASURES,
    PRESERVED,
    STRESS_CELL,
    STRESS_RULE,
    UNDEFORMED,
    Decay,
)
from echobench.results.shown.formats import Table

_NAMES = [name for name, _ in MEASURES.values()]


def decay_table(found: Decay, title: str) -> Table:
    """A row per generator, deformation and severity: both measures, absolute and relative, and the verdicts."""
    cells = found.cells
    columns = {"generator": cells["generator"], "deformation": cells["deformation"], "severity": cells["severity"]}
    columns |= {"maps": cells["patients"]}
    for measure, (name, _) in MEASURES.items():
        for ending in ("", " difference", " difference low", " difference high", " kept", " ceiling", " floor"):
            columns[f"{name}{ending}"] = 100 * cells[f"{measure}{ending}"]
    differences = {f"{name} difference{ending}": "+.1f" for name in _NAMES for ending in ("", " 95 %")}
    return Table(
        "stress",
        f"How far images follow extreme label maps. {title}. Dice: between the map and what the reference U-Net sees. "
        "contrast: area under the ROC curve along the walls that moved. Both in %, means over maps and structures. "
        f"difference: from {IDEAL} on the same maps, in points, with its 95 % bootstrap interval over patients. "
        "kept: in % of the same generator at severity 0 at the same place, contrast from 50 on. ceiling: what would be "
        f"kept if the map were followed, which leaves out what {IDEAL} loses there. floor: what would be kept if the "
        "deformation were ignored. relative: the verdict on the deformed map alone, whatever becomes of ordinary ones.",
        pd.DataFrame(columns | {"relative": cells["relative verdict"], "verdict": cells["verdict"]}),
        {"severity": "g"} | dict.fromkeys(_NAMES, ".1f") | differences,
        (STRESS_RULE,),
    )


def ordinary_table(found: Decay, title: str) -> Table:
    """A row per generator and structure of ordinary maps: both measures beside what is needed, and the verdict."""
    rows = found.ordinary.sort_values("generator", key=lambda names: names.map(_places(found)), kind="stable")
    columns = {"generator": rows["generator"], "structure": rows["structure"]}
    for measure, (name, _) in MEASURES.items():
        for ending in ("", " needed", " over needed", " over needed low", " over needed high"):
            columns[f"{name}{ending}"] = 100 * rows[f"{measure}{ending}"]
    inverted = rows["inverted"].map({True: "yes", False: "no"})
    whole = {f"{name}{ending}": ".1f" for name in _NAMES for ending in ("", " needed")}
    return Table(
        "ordinary",
        f"How well images follow ordinary label maps. {title}. Dice and contrast in %, means over maps. needed: "
        f"{IDEAL}'s score beside another patient's map, and {100 * PRESERVED:g} % of what {IDEAL} has beyond it beside "
        "the right one. over needed: by how many points a score exceeds that, with the 95 % bootstrap interval over "
        "patients. inverted: blood is brighter than tissue. The epicardium has no contrast.",
        pd.DataFrame(columns | {"inverted": inverted, "verdict": rows["verdict"]}),
        whole | {f"{name} over needed{ending}": "+.1f" for name in _NAMES for ending in ("", " 95 %")},
        (STRESS_RULE,),
    )


def structure_table(scores: pd.DataFrame, title: str) -> Table:
    """A row per generator, deformation and severity: each measure of every structure."""
    rows = scores[scores["measure"].isin(list(MEASURES))]
    names = rows["measure"].map({measure: name for measure, (name, _) in MEASURES.items()}) + " " + rows["structure"]
    means = rows.assign(name=names).groupby([*STRESS_CELL, "name"], sort=False)["value"].mean().unstack("name")
    means = means.reindex(index=scores.set_index(STRESS_CELL).index.unique(), columns=list(dict.fromkeys(names)))
    return Table(
        "structures",
        f"The same per structure, means over maps in %. {title}. A structure that map and U-Net both lack has Dice "
        "100, and no contrast.",
        (100 * means).reset_index(),
        {"severity": "g"} | {str(name): ".1f" for name in means.columns},
    )


def ladder_table(found: Decay, title: str) -> Table:
    """A row per deformation: for each generator the mildest severity at which it has lost the map, and its Dice."""
    steps = _steps(found.cells).unstack("generator")
    cells = found.cells
    steps = steps.reindex(
        index=list(dict.fromkeys(cells["deformation"])),
        columns=list(_places(found)),
    )
    return Table(
        "ladder",
        f"The mildest severity at which the map is lost. {title}. “{FOLLOWS}”: the last severity is followed, and none "
        "is lost; where a milder one was in doubt, it was too mild to tell. A question mark: in doubt from there on. "
        "0: lost, or in doubt, as ordinary maps are. "
        f"“{UNDEFORMED}”: the verdict on ordinary maps, with Dice and contrast there. In brackets: Dice at the last "
        f"severity. All in %, means over maps and structures. Nothing under {IDEAL}: no warping makes that map, "
        "and Dice has no say.",
        steps.reset_index(names="deformation").rename_axis(columns=None),
        notes=(STRESS_RULE,),
    )


def last_steps(cells: pd.DataFrame) -> "pd.Series[str]":
    """By deformation and generator: the severity at which the map is lost, or is in doubt, or that it is followed."""
    undeformed = cells[cells["deformation"] == UNDEFORMED]
    first = dict(zip(undeformed["generator"], undeformed["verdict"], strict=True))
    deformed = cells[cells["deformation"] != UNDEFORMED].groupby(["deformation", "generator"], sort=False)
    steps = {(name, generator): _step(rows, first[generator]) for (name, generator), rows in deformed}
    return pd.Series(steps, dtype=object).rename_axis(["deformation", "generator"])


def _steps(cells: pd.DataFrame) -> "pd.Series[str]":
    """What the ladder shows, by deformation and generator: `last_steps` with the scores beside them."""
    undeformed = cells[cells["deformation"] == UNDEFORMED]
    shown: dict[Any, str] = {
        (UNDEFORMED, row["generator"]): f"{row['verdict']}: "
        + ", ".join(f"{name} {100 * row[key]:.0f}" for key, (name, _) in MEASURES.items() if pd.notna(row[key]))
        for row in undeformed.to_dict("records")
    }
    of_warp = set(cells.loc[cells["generator"] == IDEAL, "deformation"])
    last: dict[Any, float] = cells.groupby(["deformation", "generator"], sort=False)["dice"].last().to_dict()
    steps: dict[Any, str] = last_steps(cells).to_dict()
    for key, step in steps.items():
        shown[key] = f"{step} ({100 * last[key]:.0f})" if key[0] in of_warp else step
    return pd.Series(shown, dtype=object).rename_axis(["deformation", "generator"])


def _step(rows: pd.DataFrame, ordinary: str) -> str:
    """Of the cells of a deformation, whose generator has that verdict on ordinary maps."""
    lost = rows.loc[rows["verdict"] == LOST, "severity"]
    if ordinary == LOST:
        return "0"
    if len(lost):
        return f"{lost.min():g}"
    if ordinary == DOUBT:
        return "0?"
    followed = rows.loc[rows["verdict"] == FOLLOWS, "severity"].max()
    doubtful = rows.loc[~(rows["severity"] <= followed), "severity"]
    return FOLLOWS if doubtful.empty else f"{doubtful.min():g}?"


def _places(found: Decay) -> dict[str, int]:
    """Where each generator stands."""
    return {name: place for place, name in enumerate(dict.fromkeys(found.cells["generator"]))}
