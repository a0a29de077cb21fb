"""Tables of a stress, and its finding in words, as pure functions of what `decay` finds."""

from typing import Any

import pandas as pd

from echobench.results.formats import Table
from echobench.results.stress import (
    CELL,
    DOUBT,
    FOLLOWS,
    IDEAL,
    LOST,
    MEASURES,
    RULE,
    UNDEFORMED,
    Decay,
    inverted,
)


def decay_table(found: Decay, title: str) -> Table:
    """A row per generator, deformation and severity: both measures, relative to severity 0, and the verdict."""
    cells = found.cells
    columns = {"generator": cells["generator"], "deformation": cells["deformation"], "severity": cells["severity"]}
    columns |= {"maps": cells["patients"]}
    for measure, (name, _) in MEASURES.items():
        columns[name] = 100 * cells[measure]
        for ending in ("kept", "ceiling", "floor"):
            columns[f"{name} {ending}"] = 100 * cells[f"{measure} {ending}"]
    return Table(
        "stress",
        f"How far images follow extreme label maps. {title}. Dice: between the map and what the reference U-Net sees. "
        "contrast: area under the ROC curve along the walls that moved. Both in %, means over maps and structures. "
        "kept: in % of the same generator at severity 0 at the same place, contrast from 50 on. ceiling: what would be "
        f"kept if the map were followed, which leaves out what {IDEAL} loses there. floor: what would be kept if the "
        "deformation were ignored.",
        pd.DataFrame(columns | {"verdict": cells["verdict"]}),
        {"severity": "g"} | {name: ".1f" for name, _ in MEASURES.values()},
        (RULE,),
    )


def structure_table(scores: pd.DataFrame, title: str) -> Table:
    """A row per generator, deformation and severity: each measure of every structure."""
    rows = scores[scores["measure"].isin(list(MEASURES))]
    names = rows["measure"].map({measure: name for measure, (name, _) in MEASURES.items()}) + " " + rows["structure"]
    means = rows.assign(name=names).groupby([*CELL, "name"], sort=False)["value"].mean().unstack("name")
    means = means.reindex(index=scores.set_index(CELL).index.unique(), columns=list(dict.fromkeys(names)))
    return Table(
        "structures",
        f"The same per structure, means over maps in %. {title}. A structure that map and U-Net both lack has Dice "
        "100, and no contrast.",
        (100 * means).reset_index(),
        {"severity": "g"} | {str(name): ".1f" for name in means.columns},
    )


def ladder_table(found: Decay, title: str) -> Table:
    """A row per deformation: for each generator the mildest severity at which it has lost the map."""
    steps = _steps(found.cells).unstack("generator")
    cells = found.cells
    steps = steps.reindex(
        index=list(dict.fromkeys(cells["deformation"])),
        columns=list(dict.fromkeys(cells["generator"])),
    )
    return Table(
        "ladder",
        f"The mildest severity at which the map is lost. {title}. “{FOLLOWS}”: the last severity is followed, and none "
        "is lost; where a milder one was in doubt, it was too mild to tell. A question mark: in doubt from there on. "
        f"“{UNDEFORMED}”: the verdict on maps as they are. Nothing under {IDEAL}: no displacement makes that map.",
        steps.reset_index(names="deformation").rename_axis(columns=None),
        notes=(RULE,),
    )


def finding(found: Decay, scores: pd.DataFrame) -> list[str]:
    """For each generator, in a few sentences, the mildest deformation at which it stops following the map."""
    upside_down = inverted(scores)
    sentences = []
    for generator in dict.fromkeys(found.cells["generator"]):
        cells = found.cells[found.cells["generator"] == generator]
        sentences.append(_ideal(cells) if generator == IDEAL else _generator(str(generator), cells))
        sentences += [
            f"{generator} draws {structure} inverted, blood brighter than tissue (contrast {100 * value:.0f} %)."
            for name, structure, value in upside_down
            if name == generator
        ]
    return sentences


def _steps(cells: pd.DataFrame) -> "pd.Series[str]":
    """By deformation and generator: the severity at which the map is lost, or is in doubt, or that it is followed."""
    undeformed = cells[cells["deformation"] == UNDEFORMED]
    astray = set(undeformed.loc[undeformed["verdict"] == LOST, "generator"])
    deformed = cells[cells["deformation"] != UNDEFORMED].groupby(["deformation", "generator"], sort=False)
    steps: dict[Any, str] = {(UNDEFORMED, one["generator"]): one["verdict"] for one in undeformed.to_dict("records")}
    for (deformation, generator), rows in deformed:
        steps[deformation, generator] = "0" if generator in astray else _step(rows)
    return pd.Series(steps, dtype=object).rename_axis(["deformation", "generator"])


def _step(rows: pd.DataFrame) -> str:
    lost = rows.loc[rows["verdict"] == LOST, "severity"]
    if len(lost):
        return f"{lost.min():g}"
    followed = rows.loc[rows["verdict"] == FOLLOWS, "severity"].max()
    doubtful = rows.loc[~(rows["severity"] <= followed), "severity"]
    return FOLLOWS if doubtful.empty else f"{doubtful.min():g}?"


def _ideal(cells: pd.DataFrame) -> str:
    rows = cells[cells["deformation"] != UNDEFORMED]
    if rows.empty:
        return f"{IDEAL} has an image for none of these maps."
    kept = " and ".join(
        f"{100 * row[f'{measure} kept']:.0f} % of its {name} ({row['deformation']}, severity {row['severity']:g})"
        for measure, (name, _) in MEASURES.items()
        for _, row in rows.dropna(subset=[f"{measure} kept"]).nsmallest(1, f"{measure} kept").iterrows()
    )
    return f"{IDEAL}, the ideal, keeps at least {kept}: that much the measures themselves lose."


def _generator(generator: str, cells: pd.DataFrame) -> str:
    undeformed = cells[cells["deformation"] == UNDEFORMED].iloc[0]
    if undeformed["verdict"] == LOST:
        return f"{generator} does not follow its map even undeformed: it has {_values(undeformed)}."
    steps = _steps(cells).droplevel("generator").drop(UNDEFORMED)
    doubtful = [f"{name} (from {step.rstrip('?')})" for name, step in steps.items() if step.endswith("?")]
    follows = [str(name) for name, step in steps.items() if step == FOLLOWS]
    lost = cells[cells["verdict"] == LOST].sort_values(["severity", "dice share"], kind="stable")
    if lost.empty:
        said = [f"{generator} is not shown to lose any of these maps."]
    else:
        first = lost.iloc[0]
        said = [
            f"{generator} stops following its map at {first['deformation']}, severity {first['severity']:g}: it keeps "
            f"{_kept(first)}."
        ]
        later = lost.drop_duplicates("deformation").iloc[1:]
        if len(later):
            names = [f"{row['deformation']} (from {row['severity']:g})" for _, row in later.iterrows()]
            said.append(f"It also loses {', '.join(names)}.")
    if undeformed["verdict"] == DOUBT:
        said.insert(0, f"{generator} is in doubt even undeformed: it has {_values(undeformed)}.")
    said += [f"It follows {', '.join(follows)} to the last severity."] if follows else []
    said += [f"In doubt: {', '.join(doubtful)}."] if doubtful else []
    return " ".join(said)


def _kept(cell: "pd.Series[float]") -> str:
    return " and ".join(
        f"{100 * cell[f'{measure} kept']:z.0f} % of its {name} (followed {100 * cell[f'{measure} ceiling']:z.0f}, "
        f"ignored {100 * cell[f'{measure} floor']:z.0f})"
        for measure, (name, _) in MEASURES.items()
        if pd.notna(cell[f"{measure} kept"]) and pd.notna(cell[f"{measure} ceiling"])
    )


def _values(cell: "pd.Series[float]") -> str:
    return " and ".join(f"{name} {100 * cell[measure]:.0f} %" for measure, (name, _) in MEASURES.items())
