"""What the tables of an EchoNet-Dynamic folder say of each video. Format: `echobench.data.datasets.echonet.writing`.

Either table may name a video with or without `.avi`, in capitals too. Rows are in no order, but for those of one
tracing.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.data.base.errors import EchobenchError
from echobench.data.base.text import read_text, require_name
from echobench.data.datasets.echonet.writing import FILE_COLUMNS, FILE_LIST, TRACING_COLUMNS, TRACINGS, VIDEOS

LAYOUT = f"expected {FILE_LIST}, {TRACINGS} and {VIDEOS}/*.avi, as EchoNet-Dynamic has them"
_AVI = re.compile(r"\.avi$", re.IGNORECASE)
_MISSING = ["", "NA", "N/A", "n/a", "nan", "NaN"]
_MOST = 10**6  # frames or pixels that a video may have
SUBSET_OF = {"TRAIN": "training", "VAL": "validation", "TEST": "testing"}


@dataclass(frozen=True, eq=False)
class Listed:
    """A row of FileList.csv and the tracings of that video.

    subset: one of `SUBSETS`. height, width, frame_count: as the row states. tracings: by 0-based frame, (K, 4) pixels
    x1, y1, x2, y2, the long axis first; none for the few videos that were not traced.
    """

    name: str
    path: Path
    subset: str
    height: int
    width: int
    frame_count: int
    tracings: Mapping[int, NDArray[np.float64]]


def read_file_list(folder: Path) -> pd.DataFrame:
    """FileList.csv sorted by FileName, which has no `.avi`; a column `subset` is added. Raises EchobenchError."""
    numbers = dict.fromkeys(FILE_COLUMNS, "float64") | dict.fromkeys(("FileName", "Split"), "str")
    whole = dict.fromkeys(("FrameHeight", "FrameWidth", "NumberOfFrames"), "int64")
    table = _read(folder, FILE_LIST, numbers | whole)
    table["subset"] = table["Split"].str.strip().str.upper().map(SUBSET_OF)
    if (unknown := table["subset"].isna()).any():
        split = table["Split"][unknown].iloc[0]
        written = split if split.isascii() and split.isalnum() else repr(split)
        raise EchobenchError(f"{folder / FILE_LIST} has the split {written}; known: {', '.join(SUBSET_OF)}")
    if (twice := table["FileName"].duplicated()).any():
        raise EchobenchError(f"{folder / FILE_LIST} lists {table['FileName'][twice].iloc[0]} twice")
    return table.sort_values("FileName", ignore_index=True)


def read_tracings(folder: Path) -> pd.DataFrame:
    """VolumeTracings.csv as it is, with FileName without `.avi`. Raises EchobenchError."""
    return _read(folder, TRACINGS, dict.fromkeys(TRACING_COLUMNS, "float64") | {"FileName": "str", "Frame": "int64"})


def listed_videos(folder: Path, file_list: pd.DataFrame, tracings: pd.DataFrame) -> list[Listed]:
    """A `Listed` for each row of `file_list`, in its order."""
    traced: dict[str, dict[int, NDArray[np.float64]]] = {}
    wanted = tracings[tracings["FileName"].isin(file_list["FileName"])]
    for key, rows in wanted.groupby(["FileName", "Frame"], sort=False):
        name, frame = cast(tuple[str, int], key)
        traced.setdefault(name, {})[frame] = rows[["X1", "Y1", "X2", "Y2"]].to_numpy()
    return [
        Listed(
            name=row["FileName"],
            path=_video(folder, row["FileName"]),
            subset=row["subset"],
            height=row["FrameHeight"],
            width=row["FrameWidth"],
            frame_count=row["NumberOfFrames"],
            tracings=traced.get(row["FileName"], {}),
        )
        for row in file_list.to_dict("records")
    ]


def _video(folder: Path, name: str) -> Path:
    """NAME.avi, or NAME.AVI where that is the one that is there."""
    path = folder / VIDEOS / f"{name}.avi"
    capitals = path.with_name(f"{name}.AVI")
    return capitals if capitals.is_file() and not path.is_file() else path


def common_size(videos: Sequence[Listed]) -> tuple[int, int]:
    """Height and width that most videos have."""
    sizes = [(video.height, video.width) for video in videos]
    return max(set(sizes), key=sizes.count)


def _read(folder: Path, name: str, types: Mapping[str, str]) -> pd.DataFrame:
    path = folder / name
    if not path.is_file():
        raise EchobenchError(f"there is no {path}; {LAYOUT}")
    text = read_text(path)
    try:
        header = pd.read_csv(io.StringIO(text), nrows=0).columns
        if absent := [column for column in types if column not in header]:
            raise EchobenchError(f"{path} has no column {absent[0]}; known: {', '.join(types)}")
        missing = {column: _MISSING for column in types if types[column] != "str"}  # a video may be called NA
        read = {column: "float64" if kind == "int64" else kind for column, kind in types.items()}
        table = pd.read_csv(
            io.StringIO(text), usecols=list(types), dtype=read, keep_default_na=False, na_values=missing
        )
    except (ValueError, OverflowError) as error:  # an empty file, text where numbers should be
        raise EchobenchError(f"{path} cannot be read: {error}") from error
    for column in (column for column in types if types[column] == "int64"):
        table[column] = _whole(path, table[column])
    table["FileName"] = [require_name(_AVI.sub("", video.strip()), f"{path}: FileName") for video in table["FileName"]]
    return table


def _whole(path: Path, column: "pd.Series[float]") -> "pd.Series[int]":
    """Whole numbers, which other programs write as 46.0; raises EchobenchError for others."""
    fit = column.between(0, _MOST) & (column == column.round())
    if not fit.all():
        raise EchobenchError(f"{path} has {column.name} = {column[~fit].iloc[0]}; it must be a whole number")
    return column.astype("int64")
