"""Files that hold a training or a trained generator, and the refusal of those that are something else's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from echobench.data.base.differences import differences
from echobench.data.base.errors import TOO_LARGE, EchobenchError, is_short_of_memory
from echobench.data.base.files import write_whole, writing_whole
from echobench.data.base.finite import require_finite

FORMAT = 1
"""Version of the files; raised when what they hold changes its meaning."""


def write(path: Path, content: Mapping[str, Any]) -> None:
    """What `read` reads, in place of what was there; see `writing_whole`.

    Raises EchobenchError for numbers that are not finite; the file that was there stays.
    """
    require_finite(content, f"what {path} is to hold")
    with writing_whole(path) as stream:
        torch.save({"format": FORMAT, **content}, stream)


def read(path: Path) -> dict[str, Any]:
    """What `write` wrote, on the CPU; no code of the file is run.

    Raises EchobenchError where there is no such file, it is not one of ours, of another version, or not finite.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise EchobenchError(f"there is no file {path}") from None
    except Exception as error:  # torch.load raises whatever the damaged bytes lead to
        if is_short_of_memory(error):
            raise EchobenchError(TOO_LARGE.format(path=path)) from error
        raise EchobenchError(f"{path} cannot be read: it is damaged or no file of echobench") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else None
        raise EchobenchError(f"{path} has format {found}, this version of echobench reads format {FORMAT}")
    require_finite(content, path)
    return content


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one training in a folder.

    identity: what the training is a function of (settings, seed, data, label vocabulary, image size).
    """

    folder: Path
    identity: Mapping[str, Any]

    @property
    def path(self) -> Path:
        return self.folder / "training.pt"

    @property
    def curve_path(self) -> Path:
        """The training curve, for who wants to watch: step, seconds, and what the method watches."""
        return self.folder / "curve.csv"

    def write(self, state: Mapping[str, Any]) -> None:
        """Keep the state of a training, in place of the one before. Its "curve" is a list of rows."""
        write(self.path, {"identity": dict(self.identity), "state": dict(state)})
        write_whole(self.curve_path, pd.DataFrame(state["curve"]).to_csv(index=False))

    def read(self) -> Mapping[str, Any] | None:
        """The state to go on from, None where there is no checkpoint.

        Raises EchobenchError, naming every difference, where the checkpoint is that of another training.
        """
        if not self.path.exists():
            return None
        content = read(self.path)
        if differing := differences(content["identity"], self.identity):
            raise EchobenchError(
                f"{self.path} belongs to another training: {'; '.join(differing)}. "
                "Choose another folder, or delete the file to train anew"
            )
        state: Mapping[str, Any] = content["state"]
        return state
