"""How every record is written, versioned, hashed, read again, and found damaged.

A record is JSON, written last, by rename, so that a folder with it is a finished one. It holds the SHA-256 of the raw
scores, a CSV beside it. What is measured of a finished run later is a table of its own, with the hash of the run's
scores in every row, and sealed: its last column, `SEAL`, is the SHA-256 of the file without that column.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import pandas as pd

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256, write_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA = 1
OF_SCORES, OF_FILES, SEAL = "scores_sha256", "files_sha256", "rows_sha256"
R = TypeVar("R", bound="DataclassInstance")


@dataclass(frozen=True)
class RecordKind(Generic[R]):
    """A kind of record.

    record: its frozen dataclass. A field with a default is one that earlier records may lack, and the default says what
    they had. again: what makes anew what is damaged. parts: the fields that are lists of dataclasses. keeps_order: of
    dictionaries, where it has a meaning.
    """

    record: type[R]
    again: str
    parts: Mapping[str, "type[DataclassInstance]"] = field(default_factory=dict)
    keeps_order: bool = False

    def write(self, path: Path, record: R, scores: Path | None = None, beside: Sequence[Path] = ()) -> None:
        """The record, with the hashes of the scores that it is of and of the other files that belong to it."""
        document = asdict(record) | ({OF_SCORES: file_sha256(scores)} if scores else {})
        if beside:
            document[OF_FILES] = {other.name: file_sha256(other) for other in beside}
        write_whole(path, json.dumps(document, indent=1, sort_keys=not self.keeps_order) + "\n")

    def read(self, path: Path) -> R:
        """Raises EchobenchError for a file that was cut, lacks something or is of a newer schema."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            schema = document.get("schema", SCHEMA)
            read = {name: [part(**one) for one in document.get(name, ())] for name, part in self.parts.items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise EchobenchError(f"{path} is half-written or damaged; {self.again}") from error
        if not isinstance(schema, int) or schema > SCHEMA:
            raise EchobenchError(
                f"{path} has schema {schema}, newer than {SCHEMA}, which this echobench reads: upgrade"
            )
        known = {one.name: one.default is MISSING and one.default_factory is MISSING for one in fields(self.record)}
        if missing := sorted(name for name, needed in known.items() if needed and name not in document):
            raise EchobenchError(f"{path} is damaged: it lacks {', '.join(missing)}; {self.again}")
        return self.record(**{name: read.get(name, document[name]) for name in known if name in document})

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
        return record, read_scores(scores)


def read_scores(path: Path) -> pd.DataFrame:
    """Raw scores of a CSV file: numbers among its texts, such as the unit 1, stay texts."""
    return pd.read_csv(path, dtype=dict.fromkeys(("patient", "view", "phase", "region", "metric", "unit"), str))


@dataclass(frozen=True)
class MeasuredTable:
    """A table that is measured of a finished run and lies beside its record.

    name: of the file. columns: that it has, `OF_SCORES` apart; those of `texts` are never missing. in_place: columns of
    a single row that only says why there are no others. measured_anew: by what, where it is of another run.
    """

    name: str
    columns: Sequence[str]
    texts: Sequence[str]
    measured_anew: str
    in_place: Sequence[str] = ()

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
            rows = pd.read_csv(path, dtype=dict.fromkeys(texts, str)).fillna(dict.fromkeys(texts, ""))
            only_why = self.in_place and len(rows) == 1 and not set(self.columns) <= set(rows)
            return rows[[*(self.in_place if only_why else self.columns), OF_SCORES]]
        except (ValueError, KeyError) as error:
            raise EchobenchError(f"{path} is damaged; delete it, and {self.measured_anew} measures it anew") from error

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
