"""Which patients train, which select, and which are locked away for the final score."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from echobench.data.base.errors import EchobenchError
from echobench.data.base.text import read_text

SUBSETS = ("training", "validation", "testing")
DERIVED_FRACTIONS = (0.8, 0.1, 0.1)  # as the official 400 / 50 / 50
SELECTED_OF = 5
"""Of so many patients of a draw, one selects the U-Net's weights."""


@dataclass(frozen=True)
class Split:
    """Patients by subset, and where the division comes from: "official", or "derived" with its seed.

    set_aside: training patients that are not used, see `fewer` and `drawn`. selecting: those of a draw who select the
    U-Net's weights, in place of the validation patients.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    testing: tuple[str, ...]
    origin: str
    set_aside: tuple[str, ...] = ()
    selecting: tuple[str, ...] = ()

    @property
    def selection(self) -> tuple[str, ...]:
        """The patients whose frames, or label maps, select the U-Net's weights."""
        return self.selecting or self.validation

    def patients(self, subset: str) -> tuple[str, ...]:
        """The patients of one of `SUBSETS`, or of "selection"."""
        patients: tuple[str, ...] = getattr(self, subset)
        return patients

    def restrict(self, patients: Iterable[str]) -> "Split":
        """The same division among fewer patients."""
        kept = set(patients)
        training, validation, testing, set_aside, selecting = (
            tuple(p for p in patients if p in kept)
            for patients in (self.training, self.validation, self.testing, self.set_aside, self.selecting)
        )
        return Split(training, validation, testing, self.origin, set_aside, selecting)

    def fewer(self, fraction: float, seed: int) -> "Split":
        """The same division, with a fraction in (0, 1] of the training patients in use.

        Their number is rounded. The patients of a smaller fraction are among those of a larger one: who comes first
        depends on patient and seed alone. Raises EchobenchError where nobody is left.
        """
        n = len(self.training)
        kept = round(fraction * n)
        if kept == 0:
            raise EchobenchError(f"fraction {fraction:g} of {n} training patients leaves none; {1 / n:.2g} leaves one")
        return self._using(_in_order(self.training, f"fraction/{seed}")[:kept])

    def drawn(self, n: int, draw: int, seed: int) -> "Split":
        """The same division, with n of the training patients in use, of whom a fifth, rounded up, select.

        Who comes first depends on patient, seed and number of the draw alone. So the patients of n are among those of
        more, and who trains or selects among n does so among more: every fifth selects, from the first on. Raises
        EchobenchError where there are fewer than n patients.
        """
        if n > len(self.training):
            raise EchobenchError(
                f"patients is {n}, but there are {len(self.training)} training patients; ask for as many at most"
            )
        order = _in_order(self.training, f"patients/{seed}/{draw}")[:n]
        used = self._using(order)
        selecting, training = _parted(used.training, order[::SELECTED_OF])
        return replace(used, training=training, selecting=selecting)

    def _using(self, patients: Collection[str]) -> "Split":
        """The same division, with these of the training patients in use."""
        training, left_out = _parted(self.training, patients)
        return replace(self, training=training, set_aside=self.set_aside + left_out)

    def fingerprint(self) -> str:
        """SHA-256 of who is in which subset, in use or set aside, whatever the order of the lists."""
        training = self.training + self.set_aside + self.selecting
        subsets = {"training": training, "validation": self.validation, "testing": self.testing}
        text = "\n".join(f"{subset}:{','.join(sorted(patients))}" for subset, patients in subsets.items())
        return hashlib.sha256(text.encode()).hexdigest()


def _in_order(patients: Iterable[str], salt: str) -> list[str]:
    """Patients in an order that depends on each and the salt alone."""
    return sorted(patients, key=lambda p: hashlib.sha256(f"{salt}/{p}".encode()).digest())


def _parted(patients: Sequence[str], chosen: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those who are among the chosen, and the others, in their order."""
    return tuple(p for p in patients if p in chosen), tuple(p for p in patients if p not in chosen)


def read_split_files(folder: Path) -> Split | None:
    """The official split in `folder/database_split/subgroup_*.txt`; None if there is none of those files.

    Of `database_nifti` it is the one that lies beside it.

    Departs from the paper [data.validation]: the release numbers its patients anew, and says itself who validates.
    Raises EchobenchError where only some of them are there, as another split would test other patients.
    """
    beside = folder.absolute()
    if beside.name == "database_nifti" and not (folder / "database_split").is_dir():
        folder = beside.parent
    files = {subset: folder / "database_split" / f"subgroup_{subset}.txt" for subset in SUBSETS}
    missing = [file for file in files.values() if not file.is_file()]
    if len(missing) == len(files):
        return None
    if missing:
        raise EchobenchError(
            f"{missing[0]} is missing: the official split needs all three lists; without any, one is derived"
        )
    training, validation, testing = (tuple(read_text(files[subset]).split()) for subset in SUBSETS)
    return Split(training, validation, testing, origin="official")


def patients_in_two(split: Split) -> list[str]:
    """Patients that stand in more than one subset, sorted."""
    listed = [p for subset in SUBSETS for p in set(split.patients(subset))]
    return sorted({p for p in listed if listed.count(p) > 1})


def derive_split(
    patients: Iterable[str], seed: int, *, testing: Iterable[str] = (), together: Iterable[Collection[str]] = ()
) -> Split:
    """A seeded division by patient, 80 / 10 / 10 per cent and at least one each.

    testing: patients already set aside for testing (an older CAMUS release has them in a folder of their own);
        then only validation is derived from the rest. together: groups of patients whom nothing parts.
    Raises EchobenchError where there are too few patients.
    """
    locked = tuple(sorted(set(testing)))
    pool = sorted(set(patients) - set(locked))
    shuffled = [pool[i] for i in np.random.default_rng(seed).permutation(len(pool))]
    kin = {patient: tuple(sorted(set(group) & set(pool))) for group in together for patient in group}
    units: Sequence[tuple[str, ...]] = list(dict.fromkeys(kin.get(patient, (patient,)) for patient in shuffled))
    needed = 2 if locked else 3
    if len(units) < needed:
        whom = "patients with ground truth" if len(units) == len(pool) else "groups of patients who share an image"
        raise EchobenchError(
            f"{len(units)} {whom} are too few to divide into training, validation and testing; "
            f"at least {needed} are needed"
        )
    validation, units = _taken(units, max(1, round(DERIVED_FRACTIONS[1] * len(pool))), needed - 1)
    held_out, units = _taken(units, 0 if locked else max(1, round(DERIVED_FRACTIONS[2] * len(pool))), 1)
    return Split(
        training=tuple(sorted(patient for unit in units for patient in unit)),
        validation=validation,
        testing=locked or held_out,
        origin=f"derived, seed {seed}" if not locked else f"official testing, derived validation, seed {seed}",
    )


def _taken(units: Sequence[tuple[str, ...]], n: int, left: int) -> tuple[tuple[str, ...], Sequence[tuple[str, ...]]]:
    """At least n patients of the first units, sorted, and the other units, of which there are at least `left`."""
    count = 0
    while sum(map(len, units[:count])) < n and len(units) - count > left:
        count += 1
    return tuple(sorted(patient for unit in units[:count] for patient in unit)), units[count:]
