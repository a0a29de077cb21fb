"""A hook of MkDocs: pages link to files of the repository as they do on a code host, and the site holds these files.

README.md is the first page. Any other file outside docs/ that a page links to, such as a figure beside its records,
lies in the site under repository/, with its path. A link to a folder becomes its name, as a site has no folders.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
HOME, KEPT = "README.md", "repository/"
_LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The first page, and every file outside docs/ that a page links to, links of these files included."""
    files.append(_file(HOME, config))
    waiting = [file for file in files if file.is_documentation_page()]
    for page in waiting:
        for link in _LINK.finditer(page.content_string):
            path = _in_the_repository(page.src_uri, link["path"])
            if (ROOT / path).is_file() and not files.get_file_from_path(_in_the_site(path)):
                file = _file(path, config)
                files.append(file)
                waiting += [file] if file.is_documentation_page() else []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The links of a page as they are in the site."""
    start = posixpath.dirname(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        path = _in_the_repository(page.file.src_uri, link["path"])
        if (ROOT / path).is_dir():
            return link["text"].strip("![]")
        return f"{link['text']}({posixpath.relpath(_in_the_site(path), start)}{link['anchor'] or ''})"

    return _LINK.sub(moved, markdown)


def _file(path: str, config: MkDocsConfig) -> File:
    return File.generated(config, _in_the_site(path), abs_src_path=str(ROOT / path))


def _in_the_repository(uri: str, link: str) -> str:
    """What a link of a page leads to; uri: the page in the site."""
    here = HOME if uri == "index.md" else uri.removeprefix(KEPT) if uri.startswith(KEPT) else f"docs/{uri}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(here), link))


def _in_the_site(path: str) -> str:
    if path == HOME:
        return "index.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else KEPT + path
