"""`echobench verify`: is a record what its run wrote, and do the networks that the run keeps give the same scores?

Where a run keeps no networks, nothing here imports torch: hashes and tables of a folder of records take seconds.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Self

import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256
from echobench.results.records.beside import MEASURED
from echobench.results.records.cross import PREFIX, read_cross
from echobench.results.records.files import is_unaltered, read_scores
from echobench.results.records.run import (
    FAILED,
    OWN_TABLES,
    PICTURES,
    RECORD,
    SCORES,
    STAGES,
    SYNTHETIC,
    RunRecord,
    is_finished,
    read_description,
    recorded_files,
    unet_path,
)
from echobench.results.records.soundness import (
    COLUMNS,
    altered_scores,
    curve_faults,
    place_of,
    run_faults,
    score_faults,
)
from echobench.results.records.stress import STRESS, STRESS_SCORES, read_stress

TOLERANCE: Mapping[str, float] = MappingProxyType({"dice": 0.005, "hd95_mm": 1.0, "assd_mm": 0.1, "ece": 0.005})
"""How far a score that is made again on another machine may lie from the recorded one: other kernels round otherwise,
which moves single pixels on the edge between two labels."""
_WITHIN = ", ".join(f"{metric} ± {value:g}" for metric, value in TOLERANCE.items())

VERIFIED, WRONG, UNVERIFIED = "verified", "WRONG", "not verified"
Finding = tuple[str, str]
"""One of the three, and what is: a part of a sentence."""


@dataclass(frozen=True)
class Verdict:
    """What was found out about a folder. wrong: what is not as its record says. unverified: what could not be looked
    into, each with the reason."""

    name: str
    verified: tuple[str, ...]
    wrong: tuple[str, ...]
    unverified: tuple[str, ...]

    @classmethod
    def of(cls, name: str, findings: Iterable[Finding]) -> Self:
        found = list(findings)
        return cls(name, *(tuple(t for k, t in found if k == kind) for kind in (VERIFIED, WRONG, UNVERIFIED)))

    @property
    def line(self) -> str:
        """All of it in one line."""
        parts = [", ".join(self.verified), _part(WRONG, self.wrong), _part(UNVERIFIED, self.unverified)]
        return f"{self.name}: {'; '.join(filter(None, parts))}"


def verify(places: Iterable[Path], data: str | None = None) -> Iterator[Verdict]:
    """A verdict on every run and stress in these folders, however deep; a link to one of them says nothing new.

    data: the folder in which the data of the runs lie now, None for where they lay.
    Raises EchobenchError for a place without any.
    """
    for place in places:
        found = list(_found(place))
        if not found:
            raise EchobenchError(f"there is no record in {place}, or in a folder in it: no {RECORD}, no {STRESS}")
        own = {folder.resolve() for folder in found if not folder.is_symlink()}
        for folder in found:
            if not folder.is_symlink() or folder.resolve() not in own:
                name = place.resolve().name if folder == place else folder.relative_to(place).as_posix()
                yield verify_folder(folder, name, data)


def verify_folder(folder: Path, name: str, data: str | None = None) -> Verdict:
    """The verdict on the run or stress in a folder, under a name. data: see `verify`."""
    return Verdict.of(name, _findings(folder, data))


def _found(place: Path) -> Iterator[Path]:
    """The folders of records in a place."""
    if any((place / name).is_file() for name in (RECORD, STRESS, FAILED)):
        yield place
        return
    for folder in sorted(place.glob("*/")):
        yield from _found(folder)


def _findings(folder: Path, data: str | None) -> Iterator[Finding]:
    if (folder / STRESS).is_file():
        yield from _of_stress(folder)
    elif not is_finished(folder):
        yield UNVERIFIED, "all of it (the run has not finished)"
    else:
        try:
            record = read_description(folder)
        except EchobenchError as error:
            yield WRONG, str(error)
            return
        hashed = dict(_hashed(folder, record))
        yield from _of_hashes(hashed)
        yield from _of_missing(folder, record)
        yield from _of_tables(folder, record)
        yield from _of_side_files(folder, record, hashed)
        yield from _of_networks(folder, record, data)
        if len(threads := record.machine.get("torch_threads_used", ())) > 1:
            yield UNVERIFIED, f"that its command gives it again (it ran on {' and '.join(map(str, threads))} threads)"
        yield UNVERIFIED, unhashed(folder)


def unhashed(folder: Path) -> str:
    """What of a run nothing is held against: the record, which holds the hashes, and what is there to be looked at."""
    there = [name for name in (PICTURES, SYNTHETIC) if (folder / name).is_dir()]
    return f"{', '.join([f'what else {RECORD} says', *there])} (no hash on record)"


def _hashed(folder: Path, record: RunRecord) -> Iterator[tuple[str, bool | None]]:
    """The files of a run that are here, and whether each hashes as recorded; None where no hash is on record."""
    weights = {f"{STAGES}/{name}": sha256 for name, sha256 in record.weights_sha256.items()}
    recorded = recorded_files(record) | weights
    here = [*(folder / name for name in OWN_TABLES), *sorted((folder / STAGES).glob("*.pt"))]
    for path in filter(Path.is_file, here):
        name = path.relative_to(folder).as_posix()
        yield name, file_sha256(path) == recorded[name] if name in recorded else None
    for measured in MEASURED:
        if (folder / measured.name).is_file():
            yield measured.name, is_unaltered(folder / measured.name)
    for path in sorted(folder.glob(f"{PREFIX}*.csv")):
        yield path.name, _is_crossed(folder, path.stem.removeprefix(PREFIX))


def _is_crossed(folder: Path, target: str) -> bool | None:
    try:
        return True if read_cross(folder, target) else None
    except EchobenchError:
        return False


def _of_hashes(hashed: Mapping[str, bool | None]) -> Iterator[Finding]:
    equal, other, unknown = ([name for name, state in hashed.items() if state is kind] for kind in (True, False, None))
    if equal:
        yield VERIFIED, f"hashes of {len(equal)} of {len(hashed)} files"
    for name in other:
        yield WRONG, f"{name} is not the file on record"
    if unknown:
        yield UNVERIFIED, f"{', '.join(unknown)} (no hash on record)"


def _of_missing(folder: Path, record: RunRecord) -> Iterator[Finding]:
    for name in recorded_files(record):
        if not (folder / name).is_file():
            yield WRONG, f"{name} is on record and not here"
    kept = list((folder / STAGES).glob("*.pt"))
    if gone := sorted(record.weights_sha256.keys() - {path.name for path in kept}) if kept else []:
        yield UNVERIFIED, f"{', '.join(gone)} (not here)"


def _of_tables(folder: Path, record: RunRecord) -> Iterator[Finding]:
    """Whether the record's own tables can be what they say."""
    here = [folder / name for name in OWN_TABLES]
    try:
        tables = {path.name: read_scores(path) if path.is_file() else None for path in here}
    except EchobenchError as error:
        yield WRONG, str(error)
        return
    scores = tables.pop(SCORES)
    faults = [] if scores is None else [f"{SCORES}: {fault}" for fault in run_faults(record, scores)]
    for fault in (*faults, *curve_faults(record, *tables.values())):
        yield WRONG, fault
    if scores is not None and not faults:
        yield VERIFIED, f"a sound table of {len(scores):,} scores"


def _of_side_files(folder: Path, record: RunRecord, hashed: Mapping[str, bool | None]) -> Iterator[Finding]:
    """Whether what was measured beside a record is of this record."""
    for measured in MEASURED:
        if measured.name in hashed and hashed[measured.name] is not False:
            try:
                current = measured.is_current(folder, record.scores_sha256)
            except EchobenchError as error:
                yield WRONG, str(error)
                continue
            if not current:
                yield WRONG, measured.outdated
    for path in sorted(folder.glob(f"{PREFIX}*.json")):
        if hashed.get(path.with_suffix(".csv").name) is not False:
            yield from _of_cross(folder, path, record)


def _of_cross(folder: Path, path: Path, record: RunRecord) -> Iterator[Finding]:
    try:
        found = read_cross(folder, path.stem.removeprefix(PREFIX))
    except EchobenchError as error:
        yield WRONG, str(error)
        return
    assert found is not None  # the file is there
    crossed, scores = found
    if crossed.run_sha256 != record.scores_sha256:
        yield WRONG, f"{path.name} is of other scores than the record's; `echobench cross` measures it anew"
    known = {metric.name: metric for metric in (*record.metrics, *crossed.metrics)}
    metrics = [metric for name, metric in known.items() if name in set(scores.get("metric", ()))]
    for fault in score_faults(
        scores, regions=crossed.regions, seeds=crossed.unet_seeds, frames=crossed.frames, metrics=metrics
    ):
        yield WRONG, f"{path.with_suffix('.csv').name}: {fault}"


def _of_networks(folder: Path, record: RunRecord, data: str | None) -> Iterator[Finding]:
    """Whether the U-Nets that a run keeps give its scores again."""
    try:
        recorded = _as_text(folder / SCORES)
    except (OSError, ValueError):
        return  # which has been said
    if tuple(recorded.columns) != COLUMNS:
        return
    seeds = record.settings["unet_seeds"]
    gone = [str(seed) for seed in seeds if not unet_path(folder, seed).is_file()]
    if len(gone) < len(seeds):
        yield from _rescored(folder, record, recorded, data)
    if gone:
        of = f" of U-Net seed {', '.join(gone)}" if len(gone) < len(seeds) else ""
        yield UNVERIFIED, f"scores{of} (no weights here)"


def _rescored(folder: Path, record: RunRecord, recorded: pd.DataFrame, data: str | None) -> Iterator[Finding]:
    """Whether the U-Nets that are here give the recorded scores, a table of texts. data: see `reread`."""
    from echobench.benchmark.measure.rescore import load_unets, rescore
    from echobench.benchmark.run.place import reread
    from echobench.benchmark.run.trial import frames_of

    try:
        unets = load_unets(folder, record)
    except EchobenchError as error:
        yield WRONG, str(error)
        return
    try:
        frames = frames_of(*reread(folder, record, data), record.scored_on)
    except (EchobenchError, OSError) as error:
        yield UNVERIFIED, f"scores ({error})"
        return
    again = rescore(record, unets, frames)
    remade = _as_text(StringIO(again.scores.to_csv(index=False)))
    of_these = recorded[recorded["unet_seed"].isin(set(remade["unet_seed"]))]
    altered = altered_scores(of_these, remade, TOLERANCE if again.elsewhere else None)
    if len(altered):
        first = place_of(altered.iloc[0])
        yield WRONG, f"{len(altered):,} of {len(remade):,} scores are not those of the weights here, the first {first}"
        return
    alike = f"within {_WITHIN} (other {', '.join(again.elsewhere)})" if again.elsewhere else "equal"
    yield VERIFIED, f"{len(remade):,} scores re-made from {len(unets)} U-Net{'s' * (len(unets) > 1)}, all {alike}"


def _of_stress(folder: Path) -> Iterator[Finding]:
    try:
        record, scores = read_stress(folder)
    except (EchobenchError, OSError) as error:
        yield WRONG, str(error)
        return
    hashed: dict[str, bool | None] = {STRESS_SCORES: True}  # or it would not have been read
    if (judge := folder / STAGES / "judge.pt").is_file():
        hashed[f"{STAGES}/{judge.name}"] = file_sha256(judge) == record.fingerprints["judge"]
    yield from _of_hashes(hashed)
    yield VERIFIED, f"a sound table of {len(scores):,} values"  # or it would not have been read either
    yield UNVERIFIED, "values (nothing is drawn again)"


def _as_text(source: Path | StringIO) -> pd.DataFrame:
    """A CSV with every digit as it stands there."""
    return pd.read_csv(source, dtype=str, keep_default_na=False)


def _part(what: str, texts: tuple[str, ...]) -> str:
    return f"{what}: {', '.join(texts)}" if texts else ""
