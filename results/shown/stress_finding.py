"""What a stress has found, in words: how good each generator is on ordinary maps, and from where on it is worse."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from echobench.results.evidence.adherence import DOUBT, FOLLOWS, IDEAL, LOST, MEASURES, UNDEFORMED, Decay, order
from echobench.results.evidence.statistics import MEAN
from echobench.results.shown.stress_tables import last_steps


def finding(found: Decay, scores: pd.DataFrame) -> list[str]:
    """A paragraph for each generator, and one for their order by Dice over all deformed maps."""
    return [" ".join(of_one) for of_one in (*_paragraphs(found), _order(scores)) if of_one]


def short_finding(found: Decay, scores: pd.DataFrame) -> list[str]:
    """How good each generator is on ordinary maps, and their order over all deformed ones."""
    first = [_ordinary(name, found) for name in _cells(found) if name != IDEAL]
    return [" ".join(of_one) for of_one in (*first, _order(scores)) if of_one]


def _paragraphs(found: Decay) -> Iterator[list[str]]:
    cells = _cells(found)
    for name, own in cells.items():
        if name == IDEAL:
            yield _ideal(own)
        else:
            loses = [] if _undeformed(own)["verdict"] == LOST else _decay(own, cells[IDEAL])
            yield [*_ordinary(name, found), *_worse(own), *loses]


def _ideal(cells: pd.DataFrame) -> list[str]:
    said = [f"{IDEAL}, the ideal, has {_values(_undeformed(cells))} on ordinary maps."]
    rows = cells[cells["deformation"] != UNDEFORMED]
    if rows.empty:
        return [*said, "It has no image for any of the deformed ones."]
    kept = " and ".join(
        f"{100 * row[f'{measure} kept']:.0f} % of its {name} ({_place(row)})"
        for measure, (name, _) in MEASURES.items()
        for _, row in rows.dropna(subset=[f"{measure} kept"]).nsmallest(1, f"{measure} kept").iterrows()
    )
    return [*said, f"On deformed ones it keeps at least {kept}: the measures themselves lose that much."]


def _ordinary(generator: str, found: Decay) -> list[str]:
    """How good a generator is on ordinary maps, and which structures are to blame if it does not follow them."""
    cells = _cells(found)
    own, ideal = _undeformed(cells[generator]), _undeformed(cells[IDEAL])
    verdict = {
        FOLLOWS: "follows ordinary maps",
        DOUBT: "may not follow ordinary maps, so it is not said to follow any",
        LOST: "does not follow ordinary maps, so it follows none",
    }[str(own["verdict"])]
    said = [f"{generator} {verdict}: it has {_values(own)} ({IDEAL}: {_values(ideal)})."]
    if own["verdict"] == FOLLOWS:
        return said
    if own["patients"] < 2:
        return [*said, "The maps of one patient are too few to tell."]
    structures = {str(name): rows.set_index("structure") for name, rows in found.ordinary.groupby("generator")}
    blamed = structures[generator][structures[generator]["verdict"] == own["verdict"]]
    single = blamed.drop(index=MEAN, errors="ignore")
    for structure, row in (blamed if single.empty else single).iterrows():
        subject = "The mean of all structures" if structure == MEAN else str(structure)
        said += [f"{subject} {reason}" for reason in _reasons(row, structures[IDEAL].loc[structure])]
    return said


def _reasons(row: "pd.Series[Any]", ideal: "pd.Series[Any]") -> Iterator[str]:
    """Why a structure of ordinary maps is lost, or in doubt."""
    for measure, (name, _) in MEASURES.items():
        over = f"{measure} over needed"
        if row["inverted"] and measure == "contrast":
            yield f"is inverted, blood brighter than tissue (contrast {100 * row[measure]:.0f} %)."
        elif pd.notna(row[over]) and (row["verdict"] == DOUBT or row[f"{measure} verdict"] == LOST):
            yield (
                f"has {name} {100 * row[measure]:.0f} %; {100 * row[f'{measure} needed']:.0f} % are needed "
                f"({_points(row, over)}), and {IDEAL} has {100 * ideal[measure]:.0f} %."
            )


def _worse(cells: pd.DataFrame) -> list[str]:
    """From where on Dice is below that of `warp` on the same maps, by its whole interval, up to the last severity."""
    rows = cells[(cells["deformation"] != UNDEFORMED) & cells["dice difference"].notna()]
    starts = {str(name): _from(of_one) for name, of_one in rows.groupby("deformation", sort=False)}
    known = sorted({start for start in starts.values() if start is not None})
    if rows.empty:
        return []
    if not known:
        return [f"No deformation is shown to bring its Dice below {IDEAL}'s."]
    named = {start: ", ".join(name for name, one in starts.items() if one == start) for start in known}
    worst = rows[rows["dice difference high"] < 0].nsmallest(1, "dice difference").iloc[0]
    return [
        f"Its Dice is below {IDEAL}'s {'; '.join(f'from severity {start:g} on: {named[start]}' for start in known)}.",
        f"The gap is largest at {_place(worst)}: {100 * worst['dice']:.0f} % ({_points(worst, 'dice difference')}).",
    ]


def _from(cells: pd.DataFrame) -> float | None:
    """The severity of a deformation from which on every interval lies below 0."""
    start = None
    for _, row in cells.sort_values("severity", ascending=False).iterrows():
        if not row["dice difference high"] < 0:
            break
        start = float(row["severity"])
    return start


def _decay(cells: pd.DataFrame, ideal: pd.DataFrame) -> list[str]:
    """Where a generator stops following, held against itself."""
    steps = last_steps(cells).droplevel("generator")
    follows = [str(name) for name, step in steps.items() if step == FOLLOWS]
    sure = _undeformed(cells)["verdict"] == FOLLOWS
    doubtful = [f"{name} (from {step.rstrip('?')})" for name, step in steps.items() if step.endswith("?") and sure]
    lost = cells[cells["verdict"] == LOST].sort_values(["severity", "dice share"], kind="stable")
    said = []
    if len(lost):
        first = lost.iloc[0]
        said.append(f"Compared with itself, it stops following at {_place(first)}: it keeps {_kept(first)}.")
        there = ideal[(ideal["deformation"] == first["deformation"]) & (ideal["severity"] == first["severity"])]
        said.append(f"There it has {_values(first)}{f' ({IDEAL}: {_values(there.iloc[0])})' if len(there) else ''}.")
        later = lost.drop_duplicates("deformation").iloc[1:]
        if len(later):
            names = [f"{row['deformation']} (from {row['severity']:g})" for _, row in later.iterrows()]
            said.append(f"It also loses {', '.join(names)}.")
    elif sure:
        said.append("Compared with itself, it is not shown to lose any of these maps.")
    said += [f"It follows {', '.join(follows)} to the last severity."] if follows else []
    return said + ([f"In doubt: {', '.join(doubtful)}."] if doubtful else [])


def _order(scores: pd.DataFrame) -> list[str]:
    """Who is above whom, beyond doubt of patients."""
    ranks = order(scores)
    if len(ranks) < 2 or ranks["dice"].isna().all():
        return []
    best, *others = ranks.to_dict("records")
    said = [f"{best['generator']} {100 * best['dice']:.1f} %"]
    for above, row in zip(ranks["generator"], others, strict=False):
        beside = "below" if row["difference high"] < 0 else "not told apart from"
        said.append(f"{row['generator']} {100 * row['dice']:.1f} %, {beside} {above} ({_points(row, 'difference')})")
    return [f"Dice over all deformed maps that every generator has an image for: {'; '.join(said)}."]


def _cells(found: Decay) -> dict[str, pd.DataFrame]:
    """By generator."""
    return {str(name): rows for name, rows in found.cells.groupby("generator", sort=False)}


def _undeformed(cells: pd.DataFrame) -> "pd.Series[Any]":
    return cells[cells["deformation"] == UNDEFORMED].iloc[0]


def _place(cell: "pd.Series[Any]") -> str:
    return f"{cell['deformation']}, severity {cell['severity']:g}"


def _points(row: "Mapping[Any, Any] | pd.Series[Any]", name: str) -> str:
    """A difference with its interval, which a single patient does not give."""
    value, low, high = (100 * row[f"{name}{end}"] for end in ("", " low", " high"))
    return f"{value:+.1f} points" + ("" if pd.isna(low) else f", 95 % interval {low:+.1f} to {high:+.1f}")


def _kept(cell: "pd.Series[Any]") -> str:
    return " and ".join(
        f"{100 * cell[f'{measure} kept']:z.0f} % of its {name} (followed {100 * cell[f'{measure} ceiling']:z.0f}, "
        f"ignored {100 * cell[f'{measure} floor']:z.0f})"
        for measure, (name, _) in MEASURES.items()
        if pd.notna(cell[f"{measure} kept"]) and pd.notna(cell[f"{measure} ceiling"])
    )


def _values(cell: "pd.Series[Any]") -> str:
    return " and ".join(
        f"{name} {100 * cell[measure]:.0f} %" for measure, (name, _) in MEASURES.items() if pd.notna(cell[measure])
    )
