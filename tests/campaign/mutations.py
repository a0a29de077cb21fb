"""A valid file made wrong at random: its bytes, or what its format says. Everything follows from the random state."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

WRONG = (
    None, True, False, "", "x", "[/bold]", "../../up", "=1+1", "nan", "\ud800", -1, 0, 1, 5.0, 0.5, -0.5, 1e300, 10**30,
    -(10**30), float("nan"), float("inf"), [], {}, [1, [2]], {"x": 1}, "@deep@", "y" * 5000,
)  # fmt: skip
"""Values in place of others."""
CELLS = (
    "",
    "x",
    "nan",
    "inf",
    "-inf",
    "-1",
    "5.0",
    "1e400",
    "10" * 20,
    "1,5",
    '"',
    "=1+1",
    "\x1b[31m",
    "../../up",
    "Ω",
)
_DEEP = "[" * 100_000 + "]" * 100_000
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def mutate(path: Path, rng: Random) -> None:
    """Change a file in place."""
    known = _FORMATS.get(path.suffix, _text)
    change = rng.choice([known, known, _bytes])
    path.write_bytes(change(path.read_bytes(), rng))


def _bytes(data: bytes, rng: Random) -> bytes:
    """Flipped bits, cuts, doubles, zeros, marks and encodings."""
    at, end = sorted(rng.choices(range(len(data) + 1), k=2))
    short = min(end, at + 64)
    changes: list[Callable[[], bytes]] = [
        lambda: _flipped(data, rng),
        lambda: _flipped(data, rng),
        lambda: data[:at],
        lambda: data[at:],
        lambda: data[:at] + data[short:],
        lambda: data[:short] + data[at:short] + data[short:],
        lambda: data + data,
        lambda: data[:at] + bytes(short - at) + data[short:],
        lambda: data[:at] + rng.randbytes(8) + data[at:],
        lambda: b"\xef\xbb\xbf" + data,
        lambda: data.decode("latin-1").encode("utf-16"),
        lambda: b"",
        lambda: data + bytes(1000),
    ]
    return rng.choice(changes)()


def _flipped(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 4]) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _text(data: bytes, rng: Random) -> bytes:
    """Lines that go, come twice or change places; numbers and words that become others."""
    lines = data.splitlines(keepends=True) or [b""]
    i, j = (rng.randrange(len(lines)) for _ in "ij")
    other = rng.choice(CELLS).encode()
    changes: list[Callable[[], list[bytes]]] = [
        lambda: lines[:i] + lines[i + 1 :],
        lambda: lines[:i] + lines[j : j + 1] + lines[i:],
        lambda: [*lines[:i], _NUMBER.sub(lambda _: other, lines[i], count=1), *lines[i + 1 :]],
        lambda: [*lines[:i], re.sub(rb"\w+(?=\W*$)", lambda _: other, lines[i], count=1), *lines[i + 1 :]],
        lambda: [*lines[:i], other + b"\n", *lines[i:]],
        lambda: [line.replace(b"\n", b"\r") for line in lines],
        lambda: [b"\xef\xbb\xbf", *lines],
    ]
    return b"".join(rng.choice(changes)())


def _csv(data: bytes, rng: Random) -> bytes:
    """Columns and rows that go or come twice, cells that become others."""
    rows = list(csv.reader(io.StringIO(data.decode())))
    row, column = rng.randrange(len(rows)), rng.randrange(len(rows[0]))
    other = rng.choice(CELLS)

    def with_cell(which: int) -> list[list[str]]:
        changed = [list(one) for one in rows]
        changed[which][column] = other
        return changed

    changes: list[Callable[[], list[list[str]]]] = [
        lambda: [one[:column] + one[column + 1 :] for one in rows],
        lambda: [[*one, one[column]] for one in rows],
        lambda: rows[:row] + rows[row + 1 :],
        lambda: [*rows[: row + 1], *rows[row:]],
        lambda: [*rows[:row], rows[0], *rows[row:]],
        lambda: rows[: 1 + len(rows) // 2],
        lambda: rows[:1],
        lambda: [[*one[:column], other, *one[column + 1 :]] for one in rows],
        lambda: [rows[0], *([*one[:column], other, *one[column + 1 :]] for one in rows[1:])],
        lambda: with_cell(row),
        lambda: with_cell(row),
        lambda: with_cell(min(1, len(rows) - 1)),
        lambda: with_cell(0),
        lambda: [*rows[:row], rows[row][:column], *rows[row + 1 :]],
        lambda: [*rows[:row], [*rows[row], other], *rows[row + 1 :]],
    ]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rng.choice(changes)())
    return stream.getvalue().encode()


def _json(data: bytes, rng: Random) -> bytes:
    text = json.dumps(changed(json.loads(data), rng, lambda old: rng.choice(WRONG)), indent=1)
    return text.replace('"@deep@"', _DEEP).encode()


def changed(tree: Any, rng: Random, other: Callable[[Any], Any]) -> Any:
    """Nested dictionaries and lists with one key, entry or value changed, however deep. other: in place of a leaf."""
    if not isinstance(tree, dict | list | tuple) or not tree or rng.random() < 0.05:
        return other(tree)
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = rng.choice(keys)
    copy: Any = dict(tree) if isinstance(tree, dict) else list(tree)
    what = rng.random()
    if what < 0.15:
        del copy[key]
    elif what < 0.2 and isinstance(copy, dict):
        copy[f"{key} "] = copy.pop(key)
    elif what < 0.25 and isinstance(copy, dict):
        copy["unknown"] = copy[key]
    elif what < 0.25:
        copy.append(copy[key])
    else:
        copy[key] = changed(copy[key], rng, other)
    return tuple(copy) if isinstance(tree, tuple) else copy


def _torch(data: bytes, rng: Random) -> bytes:
    content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    stream = io.BytesIO()
    torch.save(changed(content, rng, lambda old: _other_tensor(old, rng)), stream)
    return stream.getvalue()


def _other_tensor(old: Any, rng: Random) -> Any:
    others = [value for value in WRONG if value != "\ud800"]
    if not isinstance(old, torch.Tensor) or rng.random() < 0.2:
        return rng.choice([*others, torch.zeros(3)])
    changes: list[Callable[[], torch.Tensor]] = [
        lambda: old.to(rng.choice([torch.float64, torch.float16, torch.int64, torch.bool, torch.complex64])),
        lambda: old.flatten(),
        lambda: old[None],
        lambda: old.flatten()[: old.numel() // 2],
        lambda: torch.full_like(old, rng.choice([1e30, -1e30, 1e-45, 0]) if old.is_floating_point() else 7),
        lambda: torch.full(old.shape, rng.choice([float("nan"), float("inf")])),
        lambda: torch.zeros(1).expand(rng.choice([2**20, 2**33])),
        lambda: torch.zeros(0),
        lambda: old.to_sparse(),
        lambda: torch.nn.Parameter(old.float()),
    ]
    return rng.choice(changes)()


def _npz(data: bytes, rng: Random) -> bytes:
    with np.load(io.BytesIO(data)) as stored:
        arrays = dict(stored)
    name = rng.choice(sorted(name for name, array in arrays.items() if array.ndim))
    old: Any = arrays.pop(name)
    changes: list[Callable[[], dict[str, Any]]] = [
        dict,
        lambda: {f"{name}2": old},
        lambda: {name: old, "unknown": old},
        lambda: {name: old[:-1]},
        lambda: {name: old[..., None]},
        lambda: {name: old.astype("U") if old.dtype.kind != "U" else np.arange(len(old))},
        lambda: {name: old.astype("O")},
        lambda: {name: np.zeros(())},
        lambda: {name: np.full(old.shape, np.nan)},
        lambda: {name: old.view("u1") if old.dtype.kind != "U" else old[::-1][:0]},
    ]
    stream = io.BytesIO()
    np.savez(stream, **arrays | rng.choice(changes)())
    return stream.getvalue()


def _gzip(data: bytes, rng: Random) -> bytes:
    return gzip.compress(_header(gzip.decompress(data), rng), 1)


def _header(data: bytes, rng: Random) -> bytes:
    """Of a binary image: a byte of the first 400, or anything else."""
    if rng.random() < 0.3:
        return _bytes(data, rng)
    changed = bytearray(data)
    changed[rng.randrange(min(len(data), 400))] = rng.choice([0, 1, 2, 127, 128, 255])
    return bytes(changed)


def _png(data: bytes, rng: Random) -> bytes:
    """The picture in other modes, sizes and values."""
    picture = Image.open(io.BytesIO(data))
    width, height = picture.size
    grey = np.array(picture)
    changes: list[Callable[[], Image.Image]] = [
        *(lambda mode=mode: picture.convert(mode) for mode in ("RGB", "RGBA", "P", "1", "I;16", "LA")),
        lambda: picture.resize((rng.choice([1, 2, width, 3 * width]), rng.choice([1, height, 500]))),
        lambda: Image.fromarray(grey + np.uint8(rng.randrange(256))),
        lambda: Image.fromarray(np.full_like(grey, rng.randrange(256))),
    ]
    stream = io.BytesIO()
    rng.choice(changes)().save(stream, "png")
    return stream.getvalue()


_FORMATS: dict[str, Callable[[bytes, Random], bytes]] = {
    ".json": _json, ".csv": _csv, ".pt": _torch, ".checkpoint": _torch, ".npz": _npz, ".gz": _gzip, ".nii": _header,
    ".png": _png, ".avi": _bytes, ".raw": _bytes,
}  # fmt: skip
