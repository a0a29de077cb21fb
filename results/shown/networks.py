"""Whether another segmentation network puts the generators in the same order: a table, and in words."""

import pandas as pd

from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.networks import RankStability, rank_stabilities
from echobench.results.shown.formats import Table


def network_tables(comparison: Comparison) -> list[Table]:
    """One table with a row per pair of networks and table of runs; none where there is no such pair."""
    found = rank_stabilities(comparison.groups)
    if not found:
        return []
    return [
        Table(
            name="networks",
            caption="Whether two segmentation networks put the same rows in the same order of mean Dice. τ: Kendall's, "
            "1 for the same order and -1 for the reverse. best: the generator with the highest Dice; stays: in how "
            "many % of the bootstrap samples it is so again; same best: in how many both networks have the same one. "
            "Patients are resampled for all rows and both networks at once, U-Net seeds for each row "
            "that has several.",
            frame=pd.DataFrame([_row(one) for one in found]),
            formats={"τ": ".2f", "τ 95 %": ".2f"},
            notes=tuple(in_words(one) for one in found),
        )
    ]


def in_words(found: RankStability) -> str:
    """A sentence."""
    first, second = found.networks
    if found.best[0] == found.best[1]:
        best = f"{found.best[0]} is the best generator with both"
    else:
        best = f"the best generator is {found.best[0]} with {first} and {found.best[1]} with {second}"
    few = {1: "one U-Net seed", 2: "two U-Net seeds"}.get(found.seeds)
    said = f"; with {few}, luck of the training may do more than the samples show" if few else ""
    return (
        f"{found.title}: the orders of {len(found.labels)} rows with {first} and {second} have τ = {found.tau:.2f} "
        f"({found.low:.2f} to {found.high:.2f}); {best}, and in {100 * found.same:.0f} % of the samples both have the "
        f"same one{said}"
    )


def _row(found: RankStability) -> dict[str, object]:
    first, second = found.networks
    return {
        "runs": found.title,
        "networks": f"{first}, {second}",
        "rows": len(found.labels),
        "patients": found.patients,
        "τ": found.tau,
        "τ low": found.low,
        "τ high": found.high,
        "best": found.best[0],
        "stays": 100 * found.stays[0],
        "best, second network": found.best[1],
        "stays, second network": 100 * found.stays[1],
        "same best": 100 * found.same,
    }
