"""What a package index shows of README.md: its links and pictures lie in the repository, where an index has no files.

With a `Source` among the project's URLs they become absolute. Without one, a link becomes its text and a picture goes.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?!https?:)(?P<path>[^)\s]+)\)")


def for_an_index(readme: str, source: str | None) -> str:
    """The text with no relative link left; source: where the repository can be seen, as on GitHub."""

    def moved(link: re.Match[str]) -> str:
        if source is None:
            return "" if link["picture"] else link["text"]
        return f"{link['picture']}[{link['text']}]({source}/{'raw' if link['picture'] else 'blob'}/HEAD/{link['path']})"

    return _LINK.sub(moved, readme)


if __name__ == "__main__":
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    setup(
        long_description=for_an_index((ROOT / "README.md").read_text(encoding="utf-8"), urls.get("Source")),
        long_description_content_type="text/markdown",
    )
