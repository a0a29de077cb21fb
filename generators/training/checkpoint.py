"""Files that hold a training or a trained generator, and the refusal of those that are something else's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd

from echobench.data.base.differences import differences
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import write_whole
from echobench.data.base.saved import read_saved, require_json, taken_from, write_saved
from echobench.data.base.typed import typed

FORMAT = 1
"""Version of the files; raised when what they hold changes its meaning."""
_OTHERS = {"preprocessing": "is a U-Net", "best_weights": "is the training of a U-Net under way"}
"""What a file with an entry of that name is."""


def write(path: Path, content: Mapping[str, Any]) -> None:
    """What `read` reads, see `write_saved`."""
    write_saved(path, {"format": FORMAT, **content})


def read(path: Path) -> dict[str, Any]:
    """What `write` wrote, see `read_saved`. Raises EchobenchError for a file of another version or kind, too."""
    content = read_saved(path)
    if "format" not in content:
        found = next((what for entry, what in _OTHERS.items() if entry in content), "is of something else")
        raise EchobenchError(f"{path} {found}, not a generator's file: one is called generator-4C.pt")
    if type(version := content.get("format")) is not int or version != FORMAT:
        raise EchobenchError(f"{path} has format {version!r:.40}, this version of echobench reads format {FORMAT}")
    return content


class _Content(TypedDict):
    identity: dict[str, Any]
    state: dict[str, Any]


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
        """The training curve, for anyone who wants to watch: step, seconds, and what the method watches."""
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
        with taken_from(self.path):
            typed(content, _Content)
            require_json(content["identity"], "identity")
        if differing := differences(content["identity"], self.identity):
            raise EchobenchError(
                f"{self.path} belongs to another training: {'; '.join(differing)}. "
                "Choose another folder, or delete the file to train anew"
            )
        state: Mapping[str, Any] = content["state"]
        return state
