"""Tables as pure functions of raw scores."""

from collections.abc import Sequence

import pandas as pd

from echobench.data.labels import TABLE_REGIONS
from echobench.results.record import RunRecord

PERCENT = 100.0


def patient_means(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Per patient × region, the mean of a metric over the patient's frames and the U-Net seeds.

    A structure that is absent from both maps has no value and counts neither for nor against.
    """
    chosen = scores[scores["metric"] == metric]
    return chosen.groupby(["patient", "region"], sort=True)["value"].mean().unstack("region")


def dice_summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Dice in per cent, as in Table 1 of the paper: a row per group of frames, mean and std over patients.

    Rows: all frames, and each view and phase. Columns: region (and `mean` of the table's regions) × (mean, std);
    n patients; missed, the number of structures that the network did not find at all.
    """
    groups = {"all": scores} | {
        f"{view} {phase}": rows for (view, phase), rows in scores.groupby(["view", "phase"], sort=True)
    }
    return pd.DataFrame([{"frames": name} | _dice_row(rows) for name, rows in groups.items()]).set_index("frames")


def seed_spread(scores: pd.DataFrame) -> float:
    """Standard deviation over U-Net seeds of the mean Dice, in per cent; NaN for a single seed."""
    means = [patient_means(rows, "dice")[list(TABLE_REGIONS)].mean().mean() for _, rows in scores.groupby("unet_seed")]
    return float(pd.Series(means).std() * PERCENT)


def _dice_row(scores: pd.DataFrame) -> dict[str, float]:
    dice = patient_means(scores, "dice") * PERCENT
    dice["mean"] = dice[list(TABLE_REGIONS)].mean(axis=1)
    row: dict[str, float] = {}
    for region in (*TABLE_REGIONS, "LVmyo", "mean"):
        row[f"{region} mean"], row[f"{region} std"] = float(dice[region].mean()), float(dice[region].std())
    found = scores[scores["metric"] == "dice"]
    missed = (found["n_ref"] > 0) & (found["n_pred"] == 0)
    return row | {"patients": len(dice), "missed": int(missed.sum())}


def dice_markdown(runs: Sequence[tuple[RunRecord, pd.DataFrame]]) -> str:
    """A Markdown table of runs: Dice in per cent, mean ± std over patients, and the seconds that each run took."""
    header = ["trained on", *TABLE_REGIONS, "mean", "missed", "patients", "U-Net seeds", "training images", "minutes"]
    lines = [header, ["---"] * len(header)]
    for record, scores in runs:
        row = dice_summary(scores).loc["all"]
        cells = [f"{row[f'{region} mean']:.1f} ± {row[f'{region} std']:.1f}" for region in (*TABLE_REGIONS, "mean")]
        seconds = sum(stage.seconds for stage in record.stages)
        counts = [f"{row['missed']:.0f}", f"{row['patients']:.0f}", str(scores["unet_seed"].nunique())]
        lines.append([f"`{record.generator}`", *cells, *counts, str(record.training_images), f"{seconds / 60:.1f}"])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
