"""A CSV that carries its own hash, so that a table without a record of its own shows where a digit was edited.

Its last column, `SEAL`, is the same in every row: SHA-256 of the file's bytes without that column.
"""

import hashlib
from pathlib import Path

import pandas as pd

from echobench.results.record import write_atomically

SEAL = "rows_sha256"


def write_sealed(path: Path, table: pd.DataFrame) -> None:
    """Write a table of at least one row and its hash."""
    seal = hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()
    write_atomically(path, table.assign(**{SEAL: seal}).to_csv(index=False))


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
