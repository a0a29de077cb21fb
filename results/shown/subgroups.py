"""For whom a generator's U-Nets do worse, as a table and a sentence."""

import pandas as pd

from echobench.results.evidence.comparison import Group
from echobench.results.evidence.subgroups import FEWEST, subgroups
from echobench.results.shown.formats import P_VALUE, Table
from echobench.results.shown.tables import WHO


def subgroup_tables(group: Group) -> list[Table]:
    """Scores of each run by image quality, sex, age and ejection fraction; no table where nobody knows any of them."""
    found = {run.label: table for run in group.runs if (table := subgroups(run)) is not None}
    if not found:
        return []
    rows = pd.concat([table.assign(**{WHO: label}) for label, table in found.items()], ignore_index=True)
    silent = [run.label for run in group.runs if run.label not in found]
    caption = (
        f"Subgroups of the {group.whom}. {group.title}. difference: the subgroup's mean minus that of all others, with "
        "its bootstrap interval. p: of a permutation test, corrected by Holm over the subgroups of a run and measure. "
        f"A subgroup or its rest of fewer than {FEWEST} patients is not tested. Image quality, sex, age and ejection "
        "fraction (EF) are the dataset's; with both views, the quality is that of the worse."
    )
    notes = [f"Nothing is known of the patients of {', '.join(silent)}."] if silent else []
    return [Table("subgroups", caption, rows[[WHO, *_COLUMNS]], _FORMATS, tuple(notes))]


_COLUMNS = (
    "measure", "trait", "subgroup", "patients", "mean", "mean low", "mean high", "difference", "difference low",
    "difference high", "p Holm", "verdict",
)  # fmt: skip
_FORMATS = {"mean": ".1f", "mean 95 %": ".1f", "difference": "+.1f", "difference 95 %": "+.1f"}
_FORMATS["p Holm"] = P_VALUE
