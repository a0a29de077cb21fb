"""Types every command of a page anew and puts down what it answers, and the pictures that it leaves: `make tutorial`.

A block of ```console holds one command behind "$ ", then what it prints on standard output. A picture with a comment
<!-- PATTERN --> above it is a smaller copy of the file of that name in the folder where the commands were typed.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

_BLOCK = re.compile(r"```console\n\$ (?P<command>.*)\n(?P<answer>(?:.*\n)*?)```")
_PICTURE = re.compile(r"<!-- (?P<pattern>\S+) -->\n!\[[^\]]*\]\((?P<copy>\S+)\)")
WIDTH, COLOURS = 1200, 256


def main(page: Path, folder: Path) -> None:
    """The page with every answer and picture made anew, in an empty folder."""

    def typed(block: re.Match[str]) -> str:
        return f"```console\n$ {block['command']}\n{answer(block['command'], folder)}```"

    text = _BLOCK.sub(typed, page.read_text(encoding="utf-8"))
    page.write_text(text, encoding="utf-8")
    for picture in _PICTURE.finditer(text):
        (found,) = folder.glob(picture["pattern"])
        copy_small(found, page.parent / picture["copy"])


def answer(command: str, folder: Path) -> str:
    """What a command prints, in a shell that is in the folder; stops where one fails."""
    print(f"$ {command}", flush=True)
    done = subprocess.run(command, shell=True, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout, flush=True)
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def copy_small(picture: Path, copy: Path) -> None:
    """A PNG of at most WIDTH pixels across and COLOURS colours."""
    with Image.open(picture) as image:
        small = image.convert("RGB")
    small.thumbnail((WIDTH, WIDTH))
    # This method keeps the colours of thin lines.
    small.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(copy, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(empty))
