"""What a CAMUS folder holds, and everything that is wrong with it, in one list."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.camus import FrameFiles, find_frames, read_clinical, read_frame, split_of
from echobench.data.datasets.dataset import SIZE, DatasetReport, Finding, count_frames
from echobench.data.datasets.image_header import ending
from echobench.data.datasets.soundness import Glance, kept_together
from echobench.data.datasets.soundness import findings as held_together
from echobench.data.frames import PHASES
from echobench.data.splits import SUBSETS, Split, patients_in_two, read_split_files


def check_camus(folder: Path, seed: int = 0) -> DatasetReport:
    """Read everything in a CAMUS-layout folder; raises EchobenchError only if there is nothing to read."""
    files = find_frames(folder)
    unfit, glances = _frames(files)
    split = _split_or_none(folder, files, seed)
    if split:
        split = kept_together(glances, split, seed)
    findings = [*unfit, *held_together(glances, split), *_missing_partners(files)]
    findings += [*_split_findings(folder, files, seed), *_clinical(folder), *_capitals(files)]
    return DatasetReport(
        counts=count_frames(((f.view, f.phase, f.patient) for f in files), split),
        split_origin=split.origin if split else "none",
        findings=tuple(sorted(findings, key=lambda finding: not finding.unsound)),
    )


def _frames(files: Sequence[FrameFiles]) -> tuple[list[Finding], list[Glance]]:
    """What is wrong with each frame, and a glance at the others."""

    def look(files: FrameFiles) -> Glance | Finding:
        try:
            frame = read_frame(files, SIZE)
        except EchobenchError as error:
            return Finding(str(error), unsound=True)
        return Glance.of(files.name, files.patient, frame.image, frame.labels, frame.spacing_mm)

    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(look, files))
    return [s for s in seen if isinstance(s, Finding)], [s for s in seen if isinstance(s, Glance)]


def _capitals(files: Sequence[FrameFiles]) -> Iterator[Finding]:
    for path in (path for f in files for path in (f.image, f.truth) if path and not path.name.endswith(ending(path))):
        yield Finding(f"{path} is read; other programs may not know its ending in capitals", unsound=False)


def _clinical(folder: Path) -> Iterator[Finding]:
    try:
        read_clinical(folder)
    except EchobenchError as error:
        yield Finding(str(error), unsound=True)


def _missing_partners(files: Sequence[FrameFiles]) -> Iterator[Finding]:
    """End-diastole without end-systole or the reverse: usable for Dice, not for an ejection fraction."""
    there = {(f.patient, f.view, f.phase) for f in files}
    for patient, view in sorted({key[:2] for key in there}):
        for phase in PHASES:
            if (patient, view, phase) not in there:
                yield Finding(f"{patient} has no {phase} frame in view {view}", unsound=False)


def _split_findings(folder: Path, files: Sequence[FrameFiles], seed: int) -> Iterator[Finding]:
    there = {f.patient for f in files}
    split = read_split_files(folder)
    if split is not None:
        listed = {p for subset in SUBSETS for p in split.patients(subset)}
        if absent := sorted(listed - there):
            yield Finding(f"the split lists {_some(absent)}, not in the folder", unsound=False)
        if unlisted := sorted(there - listed):
            yield Finding(f"the split does not list {_some(unlisted)}: not used", unsound=False)
        if twice := patients_in_two(split):
            yield Finding(f"in more than one subset of the split: {_some(twice)}", unsound=True)
            return
    try:
        split_of(folder, files, seed)
    except EchobenchError as error:
        yield Finding(str(error), unsound=True)


def _split_or_none(folder: Path, files: Sequence[FrameFiles], seed: int) -> Split | None:
    try:
        return split_of(folder, files, seed)
    except EchobenchError:
        return None


def _some(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
