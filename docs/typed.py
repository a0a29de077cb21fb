"""Types every command of a page anew, in an empty folder, and puts down below each what it answers: `make tutorial`.

A block of ```console holds one command behind "$ ", then what it prints on standard output.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

_BLOCK = re.compile(r"```console\n\$ (?P<command>.*?[^\\])\n(?P<answer>.*?)```", re.DOTALL)


def main(page: Path) -> None:
    """The page with every answer made anew; it is written after each, so that a call that is stopped keeps the others."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        position = 0
        while block := _BLOCK.search(text, position):
            made = f"```console\n$ {block['command']}\n{answer(block['command'], Path(folder))}```"
            text = text[: block.start()] + made + text[block.end() :]
            position = block.start() + len(made)
            page.write_text(text, encoding="utf-8")


def answer(command: str, folder: Path) -> str:
    """What a command prints, in a shell that is in the folder; stops where one fails."""
    print(f"$ {command}", flush=True)
    done = subprocess.run(command, shell=True, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
