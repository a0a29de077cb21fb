"""What a row of a table is not: how much of the published training its generator had, and one U-Net seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from echobench.data.base.differences import flat
from echobench.results.records.run import Run, RunRecord


@dataclass(frozen=True)
class Published:
    """How long a generator was trained. unit: images, frame by frame as they were shown to it; epochs of its frames."""

    amount: int
    unit: str


TRAININGS: Mapping[str, Published] = MappingProxyType(
    {
        "sdm": Published(50_000 * 12, "images"),
        "cyclegan": Published(200, "epochs"),
    }
)
"""sdm: steps × batch ("Echo from noise", arXiv 2305.05424). cyclegan: Zhu et al. 2017 (arXiv 1703.10593)."""


def limits(run: Run, usual_seeds: int) -> str:
    """What keeps a run's row from saying all it might, in few words; empty where nothing does.

    usual_seeds: how many U-Net seeds go without saying; one seed alone never does.
    """
    found, seeds = [], run.scores["unet_seed"].nunique()
    published, done = TRAININGS.get(run.record.generator), trained_for(run.record)
    if published and done is not None and done < published.amount:
        found.append(f"training: {_short(done)} of {published.amount:,} {published.unit}")
    if seeds == 1 or seeds != usual_seeds:
        found.append("one U-Net seed" if seeds == 1 else f"{seeds} U-Net seeds")
    return "; ".join(found)


def trained_for(record: RunRecord) -> float | None:
    """How long a run's generator was trained, in the unit of `TRAININGS`; None where it is not known."""
    published, settings = TRAININGS.get(record.generator), flat(record.settings["generator_settings"])
    steps, batch, epochs = (settings.get(f"training.{name}") for name in ("steps", "batch", "epochs"))
    if published is None:
        return None
    if steps is None:
        return epochs
    frames = 1 if published.unit == "images" else training_frames(record)
    return steps * batch / frames if batch and frames else None


def training_frames(record: RunRecord) -> int | None:
    """From how many frames a view's generator has learnt: of every training patient, both phases.

    Older records count no patients. They have every frame `repeats` times, unless the number of images was chosen.
    """
    if record.training_patients is not None:
        return 2 * record.training_patients
    views = len(record.views)
    chosen = record.settings["images"] is not None or record.settings["phase"] != "all"
    return None if chosen else record.training_images // record.settings["repeats"] // views


def _short(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.2g}"


def usual_seeds(runs: Sequence[Run]) -> int:
    """The most U-Net seeds that a run has."""
    return max(run.scores["unet_seed"].nunique() for run in runs)
