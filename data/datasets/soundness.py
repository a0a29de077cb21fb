"""What only shows once all frames of a dataset are read: copies, hearts upside down, millimetres that some lack."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.copies import copies, keep_together, sharing, thumbnail
from echobench.data.datasets.dataset import Dataset, DatasetReport, Finding, count_frames
from echobench.data.labels import Label
from echobench.data.splits import Split


@dataclass(frozen=True, eq=False)
class Glance:
    """One frame, as it is held against the others. name: as findings call it. thumbnail: see `thumbnail`. upside_down:
    see `is_upside_down`. spacing_known: whether it says how many millimetres a pixel is."""

    name: str
    patient: str
    thumbnail: NDArray[np.float32]
    upside_down: bool | None
    spacing_known: bool

    @classmethod
    def of(
        cls, name: str, patient: str, image: NDArray[np.uint8], labels: NDArray[np.uint8], spacing_mm: Sequence[float]
    ) -> "Glance":
        """Of an image and its label map, (H, W) each."""
        return cls(name, patient, thumbnail(image), is_upside_down(labels), bool(np.isfinite(spacing_mm).all()))


def is_upside_down(labels: NDArray[np.uint8]) -> bool | None:
    """Whether the middle of the atrium lies above that of the ventricle in a label map (H, W), which no apical view
    shows; None where it has not both."""
    atrium, ventricle = ((labels == label).sum(axis=1) for label in (Label.LA, Label.LV_ENDO))
    if not (atrium.any() and ventricle.any()):
        return None
    rows = np.arange(len(labels))
    return bool(np.average(rows, weights=atrium) < np.average(rows, weights=ventricle))


def sound(dataset: Dataset, seed: int) -> Dataset:
    """The dataset, where a derived split parts no patients who share an image: see `keep_together`.

    Raises EchobenchError for the first unsound one of `findings`.
    """
    glances = _glances(dataset)
    split = kept_together(glances, dataset.split, seed)
    _require_sound(dataset, findings(glances, split))
    return replace(dataset, split=split)


def require_upright(dataset: Dataset) -> Dataset:
    """The dataset. Raises EchobenchError where its images are upside down."""
    _require_sound(dataset, _turned(_glances(dataset)))
    return dataset


def _require_sound(dataset: Dataset, found: Iterable[Finding]) -> None:
    for finding in found:
        if finding.unsound:
            raise EchobenchError(f"{dataset.name}: {finding.text}")


def kept_together(glances: Sequence[Glance], split: Split, seed: int) -> Split:
    """See `keep_together`."""
    return keep_together(*_seen(glances), split, seed) if glances else split


def report_of(dataset: Dataset, seed: int | None) -> DatasetReport:
    """What a dataset holds and what is wrong with it. seed: of a derived split; None for images that were drawn for
    another dataset, which do not test, so that copies among them are nobody's leak."""
    glances, frames = _glances(dataset), dataset.frames
    split = dataset.split if seed is None else kept_together(glances, dataset.split, seed)
    counts = count_frames(zip(frames.view, frames.phase, frames.patient, strict=True), split)
    found = findings(glances, None if seed is None else split)
    return DatasetReport(counts, split.origin, tuple(sorted(found, key=lambda finding: not finding.unsound)))


def findings(glances: Sequence[Glance], split: Split | None) -> Iterator[Finding]:
    """What is noticed when all frames are held against each other; split: None looks at no subsets."""
    if glances and split:
        yield from copy_findings(*_seen(glances), split)
    yield from _turned(glances)
    yield from _without_millimetres(glances)


def copy_findings(thumbnails: NDArray[np.float32], patients: Sequence[str], split: Split) -> Iterator[Finding]:
    """Patients who share an image: unsound between subsets, worth a word where a derived split keeps them together."""
    parted = list(copies(thumbnails, patients, split))
    yield from (Finding(text, unsound=True) for text in parted)
    for group in sharing(thumbnails, patients) if "derived" in split.origin and not parted else ():
        names = " and ".join(sorted(group))
        yield Finding(f"{names} share an image: a derived split keeps them in one subset", unsound=False)


def _turned(glances: Sequence[Glance]) -> Iterator[Finding]:
    judged = [glance for glance in glances if glance.upside_down is not None]
    turned = [glance for glance in judged if glance.upside_down]
    if 2 * len(turned) > len(judged):
        yield Finding(
            f"the images are upside down: in {len(turned)} of {len(judged)} label maps the atrium lies above the "
            f"ventricle (first: {turned[0].name}); turn images and maps, so that the apex is at the top",
            unsound=True,
        )
        return
    for glance in turned:
        yield Finding(
            f"{glance.name}: the atrium lies above the ventricle, as if it were upside down; look at it", unsound=False
        )


def _without_millimetres(glances: Sequence[Glance]) -> Iterator[Finding]:
    unknown = [glance.name for glance in glances if not glance.spacing_known]
    if unknown and len(unknown) < len(glances):
        yield Finding(
            f"{unknown[0]} states no spacing, millimetres per pixel, and other frames do ({len(unknown)} of "
            f"{len(glances)} state none): state it in all of them, or in none",
            unsound=True,
        )
    elif unknown:
        yield Finding(
            "no frame states its spacing, millimetres per pixel: distances and ejection fractions are not measured",
            unsound=False,
        )


def _glances(dataset: Dataset) -> list[Glance]:
    frames = dataset.frames
    names = (" ".join(of) for of in zip(frames.patient, frames.view, frames.phase, strict=True))
    rows = zip(names, frames.patient.tolist(), frames.images, frames.labels, frames.spacing_mm, strict=True)
    return [Glance.of(*row) for row in rows]


def _seen(glances: Sequence[Glance]) -> tuple[NDArray[np.float32], list[str]]:
    return np.array([glance.thumbnail for glance in glances]), [glance.patient for glance in glances]
