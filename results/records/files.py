"""How every record is written, versioned, hashed, read again, and found damaged.

A record is JSON, written last, by rename, so that a folder with it is a finished one. It holds the SHA-256 of the raw
scores, a CSV beside it. What is measured of a finished run later is a table of its own, with the hash of the run's
scores in every row, and sealed: its last column, `SEAL`, is the SHA-256 of the file without that column.
"""

import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256, write_whole
from echobench.data.base.text import read_json, read_text
from echobench.data.base.typed import typed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA = 1
OF_SCORES, OF_FILES, SEAL = "scores_sha256", "files_sha256", "rows_sha256"
R = TypeVar("R", bound="DataclassInstance")


@dataclass(frozen=True)
class RecordKind(Generic[R]):
    """A kind of record.

    record: its frozen dataclass, whose types are held against what is read. A field with a default is one that earlier
    records may lack, and the default says what they had. again: what makes anew what is damaged. within: by field, a
    TypedDict of what is looked at in a dictionary. faults: what a record or its scores cannot be, in sentences; the
    scores are None where only the record is read. keeps_order: of dictionaries, where it has a meaning.
    """

    record: type[R]
    again: str
    within: Mapping[str, Any] = field(default_factory=dict)
    faults: Callable[[R, pd.DataFrame | None], Iterable[str]] = lambda record, scores: ()
    keeps_order: bool = False

    def write(self, path: Path, record: R, scores: Path | None = None, beside: Sequence[Path] = ()) -> None:
        """The record, with the hashes of the scores that it is of and of the other files that belong to it."""
        document = asdict(record) | ({OF_SCORES: file_sha256(scores)} if scores else {})
        if beside:
            document[OF_FILES] = {other.name: file_sha256(other) for other in beside}
        write_whole(path, json.dumps(document, indent=1, sort_keys=not self.keeps_order) + "\n")

    def read(self, path: Path) -> R:
        """Raises EchobenchError for a file that was cut, lacks something, says what cannot be or is too new."""
        document = read_json(path, self.again)
        schema = document.get("schema", SCHEMA)
        if type(schema) is int and schema > SCHEMA:
            raise EchobenchError(
                f"{path} has schema {schema}, newer than {SCHEMA}, which this echobench reads: upgrade"
            )
        try:
            record: R = typed(document, self.record)
            for name, hint in self.within.items():
                typed(document.get(name, {}), hint, f"it.{name}")
        except ValueError as error:
            raise EchobenchError(f"{path} is damaged: {error}; {self.again}") from error
        self._require_sound(path, record, None)
        return record

    def read_with_scores(self, path: Path, scores: Path) -> tuple[R, pd.DataFrame]:
        """Raises EchobenchError, too, for scores or other files that are not those of the record."""
        record = self.read(path)
        if not scores.is_file():
            raise EchobenchError(f"{path.parent} has {path.name} but no {scores.name}; {self.again}")
        for name, sha256 in {scores.name: vars(record)[OF_SCORES], **vars(record).get(OF_FILES, {})}.items():
            if (other := path.with_name(name)).is_file() and file_sha256(other) != sha256:
                raise EchobenchError(
                    f"{other} is not what {path.name} describes: it was cut or edited, so that it is damaged; "
                    f"{self.again}"
                )
        table = read_scores(scores)
        self._require_sound(scores, record, table)
        return record, table

    def _require_sound(self, path: Path, record: R, scores: pd.DataFrame | None) -> None:
        for fault in self.faults(record, scores):
            raise EchobenchError(f"{path} is damaged: {fault}; {self.again}")


def read_scores(path: Path) -> pd.DataFrame:
    """Raw scores of a CSV file: numbers among its texts, such as the unit 1, stay texts.

    Raises EchobenchError for what is no table.
    """
    texts = dict.fromkeys(("patient", "view", "phase", "region", "metric", "unit"), str)
    try:
        return pd.read_csv(io.StringIO(read_text(path)), dtype=texts)
    except (ValueError, OverflowError) as error:
        raise EchobenchError(f"{path} cannot be read: {error}") from error


@dataclass(frozen=True)
class MeasuredTable:
    """A table that is measured of a finished run and lies beside its record.

    name: of the file. columns: that it has, `OF_SCORES` apart; those of `texts` are never missing. in_place: columns of
    a single row that only says why there are no others. measured_anew: by what, where it is of another run. numbers:
    columns of finite numbers, which may be missing; all others are texts. keys: no two rows have the same.
    kinds: all the values that a column has. later: of `numbers`, those that files of before lack.
    """

    name: str
    columns: Sequence[str]
    texts: Sequence[str]
    measured_anew: str
    in_place: Sequence[str] = ()
    numbers: Sequence[str] = ()
    keys: Sequence[str] = ()
    kinds: Mapping[str, Collection[str]] = field(default_factory=dict)
    later: Sequence[str] = ()

    @property
    def absent(self) -> str:
        return f"no {self.name} in the run's folder"

    @property
    def outdated(self) -> str:
        return f"{self.name} is not of the run in the record; {self.measured_anew} measures it anew"

    def write(self, folder: Path, scores_sha256: str, table: pd.DataFrame) -> None:
        """Write a table of at least one row, of the run whose scores have this hash."""
        write_sealed(folder / self.name, table.assign(**{OF_SCORES: scores_sha256}))

    def read(self, folder: Path) -> pd.DataFrame:
        """Its rows, with `OF_SCORES`. Raises EchobenchError for a damaged file, and where a digit was edited."""
        path, texts = folder / self.name, (*self.texts, OF_SCORES)
        try:
            if is_unaltered(path) is False:
                raise ValueError("a row was edited")
            stated = {name: str for name in (*self.columns, OF_SCORES) if name not in self.numbers}
            rows = pd.read_csv(io.StringIO(read_text(path)), dtype=stated).fillna(dict.fromkeys(texts, ""))
            only_why = self.in_place and len(rows) == 1 and not set(self.columns) <= {*rows, *self.later}
            rows = rows.assign(**{name: nan for name in self.later if name not in rows})
            chosen = rows[[*(self.in_place if only_why else self.columns), OF_SCORES]]
            self._require_sound(chosen)
            return chosen
        except (ValueError, KeyError, OverflowError, EchobenchError) as error:
            raise EchobenchError(f"{path} is damaged; delete it, and {self.measured_anew} measures it anew") from error

    def _require_sound(self, rows: pd.DataFrame) -> None:
        """Raises ValueError for rows that cannot be what was measured."""
        numbers = rows[[name for name in self.numbers if name in rows]]
        if not all(map(pd.api.types.is_numeric_dtype, numbers.dtypes)) or np.isinf(numbers.to_numpy(float)).any():
            raise ValueError("an entry is no number")
        if not len(rows) or rows.drop(columns=numbers.columns).isna().any(axis=None):
            raise ValueError("something is missing")
        if any(set(rows[name]) != set(kinds) for name, kinds in self.kinds.items()):
            raise ValueError("a kind of row is missing, or there is no such kind")
        if self.keys and rows.duplicated([name for name in self.keys if name in rows]).any():
            raise ValueError("a row is there twice")

    def is_current(self, folder: Path, scores_sha256: str) -> bool:
        """Whether it is there and of the run whose scores have this hash."""
        return (folder / self.name).is_file() and set(self.read(folder)[OF_SCORES]) == {scores_sha256}

    def missing(self, folder: Path, scores_sha256: str) -> str | None:
        """Why there are no rows of this run; None where there are."""
        if not (folder / self.name).is_file():
            return self.absent
        return None if self.is_current(folder, scores_sha256) else self.outdated


def write_sealed(path: Path, table: pd.DataFrame) -> None:
    """Write a table of at least one row and its hash."""
    seal = hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()
    write_whole(path, table.assign(**{SEAL: seal}).to_csv(index=False))


def is_unaltered(path: Path) -> bool | None:
    """Whether a sealed file is as it was written; None for one from before there were seals."""
    text = path.read_bytes()
    header, _, rows = text.partition(b"\n")
    ending = f",{SEAL}".encode()
    if not header.endswith(ending):
        return None
    seal = rows.rstrip(b"\n").rpartition(b",")[2]
    bare = header.removesuffix(ending) + b"\n" + rows.replace(b"," + seal + b"\n", b"\n")
    return hashlib.sha256(bare).hexdigest().encode() == seal
