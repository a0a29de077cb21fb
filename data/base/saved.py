"""Files that hold tensors: written whole, read without running them, and held against what they must hold."""

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Muon
from torch.optim.optimizer import Optimizer

from echobench.data.base.errors import TOO_LARGE, EchobenchError, is_short_of_memory
from echobench.data.base.files import writing_whole
from echobench.data.base.finite import require_finite

_UNFIT = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError)
"""What comes of values that are not what they must be, torch's own refusals included."""
_MOST_VIEWED = 16  # times that a tensor may show one number: a grey picture has the same in each of its channels
_RATES = ("lr", "initial_lr")
"""Of a group of an optimiser, what changes on the way."""


def write_saved(path: Path, content: Mapping[str, Any]) -> None:
    """What `read_saved` reads, in place of what was there; see `writing_whole`.

    Raises EchobenchError for numbers that are not finite; the file that was there stays.
    """
    require_finite(content, f"what {path} is to hold")
    with writing_whole(path) as stream:
        torch.save(dict(content), stream)


def read_saved(path: Path) -> dict[str, Any]:
    """What `write_saved` wrote, tensors on the CPU; no code of the file is run.

    Raises EchobenchError where there is no such file, a bit of it has changed, it is none of ours, or not finite.
    """
    if not path.is_file():
        raise EchobenchError(f"there is no file {path}")
    try:
        _require_whole(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        _require_plain(content)
    except Exception as error:  # torch.load raises whatever the damaged bytes lead to
        if is_short_of_memory(error):
            raise EchobenchError(TOO_LARGE.format(path=path)) from error
        raise EchobenchError(f"{path} cannot be read: it is damaged or no file of echobench") from error
    if not isinstance(content, dict):
        raise EchobenchError(f"{path} cannot be read: it is no file of echobench")
    require_finite(content, path)
    return content


@contextmanager
def taken_from(path: Path) -> Iterator[None]:
    """What a file holds is put to use meanwhile: where it does not fit, an EchobenchError names the file."""
    try:
        yield
    except _UNFIT as error:
        reason = " ".join(str(error).split())[:200]
        raise EchobenchError(f"{path} is damaged, or not what it is taken for: {reason}") from error


def require_alike(found: Any, model: Any, at: str) -> None:
    """Raises ValueError where nested mappings and lists have other names, lengths, types or shapes than a model's."""
    if isinstance(model, Mapping) and isinstance(found, Mapping):
        if other := sorted(map(str, found.keys() ^ model.keys())):
            raise ValueError(f"{at} has not the names that it must have, such as {other[0]}")
        for name, entry in model.items():
            require_alike(found[name], entry, f"{at}.{name}")
    elif isinstance(model, list | tuple) and isinstance(found, list | tuple):
        if len(found) != len(model):
            raise ValueError(f"{at} has {len(found)} entries, not {len(model)}")
        for i, (one, other) in enumerate(zip(found, model, strict=True)):
            require_alike(one, other, f"{at}.{i}")
    elif isinstance(model, torch.Tensor) and isinstance(found, torch.Tensor):
        if (found.shape, found.dtype) != (model.shape, model.dtype):
            raise ValueError(f"{at} is {_shown(found)}, not {_shown(model)}")
    elif type(found) is not type(model):
        raise ValueError(f"{at} is of another type than it must be")


def built_with(weights: Mapping[str, Any], build: Callable[[], nn.Module]) -> nn.Module:
    """What `build` builds, with the weights of a file. Raises ValueError for others, before memory is taken."""
    with torch.device("meta"):
        require_alike(weights, build().state_dict(), "weights")
    network = build()
    network.load_state_dict(weights)
    return network


def load_optimizer(optimizer: Optimizer, state: Mapping[str, Any], at: str) -> None:
    """Go on from a state that an optimiser of the same settings and weights had; raises ValueError for another one."""
    groups = optimizer.state_dict()["param_groups"]
    require_alike(state.get("param_groups"), groups, f"{at}.param_groups")
    for group, stored in zip(groups, state["param_groups"], strict=True):
        if other := [name for name in group if name not in _RATES and group[name] != stored[name]]:
            raise ValueError(f"{at} has another {other[0]}")
        if not all(0 <= stored[name] <= group.get("initial_lr", float("inf")) for name in _RATES if name in stored):
            raise ValueError(f"{at} has a learning rate that there is not")
    weights = [one for group in optimizer.param_groups for one in group["params"]]
    moments = state.get("state")
    if not isinstance(moments, Mapping) or not moments.keys() <= set(range(len(weights))):
        raise ValueError(f"{at} is of other weights")
    for index, kept in moments.items():
        step, model = torch.zeros(()), torch.empty_like(weights[index], device="cpu")
        names = _MOMENTS_OF_MUON if isinstance(optimizer, Muon) else _MOMENTS
        require_alike(kept, {name: step if name == "step" else model for name in names}, f"{at}.state.{index}")
    optimizer.load_state_dict(dict(state))


_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What Adam and AdamW keep of each weight."""
_MOMENTS_OF_MUON = ("momentum_buffer",)


def require_json(value: Any, at: str) -> None:
    """Raises ValueError for what JSON does not have, as tensors, which cannot be held against anything."""
    try:
        json.dumps(value)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"{at} is no plain value") from error


def _require_whole(path: Path) -> None:
    """Raises ValueError or what zipfile does unless every entry is stored as it is and has its checksum."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(one.compress_type != zipfile.ZIP_STORED for one in entries):
            raise ValueError("an entry is compressed")
        if sum(one.file_size for one in entries) > path.stat().st_size or archive.testzip() is not None:
            raise ValueError("an entry is damaged")


def _require_plain(content: Any) -> None:
    """Raises ValueError for a tensor that would take more memory than it has in the file."""
    if isinstance(content, torch.Tensor):
        if content.layout is not torch.strided or content.nbytes > _MOST_VIEWED * content.untyped_storage().nbytes():
            raise ValueError("a tensor is not stored number by number")
    elif isinstance(content, dict | list | tuple):
        for one in content.values() if isinstance(content, dict) else content:
            _require_plain(one)


def _shown(tensor: torch.Tensor) -> str:
    return f"{'×'.join(map(str, tensor.shape)) or 'a number'} {tensor.dtype}"
