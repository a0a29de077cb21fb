"""Writes the generated parts of README and docs/, the commands below their tables, and the figures: `make readme`."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from echobench.benchmark.commands import commands
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.scale import plan
from echobench.data.base.files import write_whole
from echobench.data.ladder.ladder import STRESSES
from echobench.generators.registry import BACKENDS, listed
from echobench.results.shown.departures import OFFICIAL, departures
from echobench.results.shown.files import write_figures
from echobench.results.shown.formats import Table, markdown
from echobench.results.shown.readme import DPI, Maker, figures, with_tables


def departures_of(measured: Path, name: str) -> str:
    """What a run on CAMUS does otherwise than "Echo from noise"; name: GENERATOR-PRESET."""
    generator, _, preset = name.rpartition("-")
    settings = resolve(generator=generator, view="4C", preset=preset)
    deforms = settings.backend.deforms
    found = departures(settings.published(), dataset="CAMUS", deforms=deforms, split=OFFICIAL)
    rows = [{"what": f"`{one.key}`", "echobench": one.ours, "published": one.theirs} for one in found]
    return markdown(Table(name, "", pd.DataFrame(rows)))


def ladder(measured: Path, name: str) -> str:
    """The deformations of a stress, a row each."""
    rows = [{"deformation": f"`{key}`", "what it does": stress.description} for key, stress in STRESSES.items()]
    return markdown(Table("ladder", "", pd.DataFrame(rows)))


def generators(measured: Path, preset: str) -> str:
    """Every generator of ours by kind; name: the preset whose evaluations and weights are counted."""
    rows = [
        {
            "kind": one.kind,
            "generator": f"`{one.name}`",
            "what it draws": one.summary,
            "evaluations": f"{one.evaluations:,}" if one.trained else "–",
            "weights": f"{one.parameters:,}" if one.trained else "–",
        }
        for one in (listed(name, preset) for name in BACKENDS)
    ]
    return markdown(Table("generators", "", pd.DataFrame(rows)))


MAKERS: Mapping[str, Maker] = MappingProxyType(
    {"departures": departures_of, "ladder": ladder, "plan": plan, "generators": generators}
)
"""Kinds of blocks that need more than records."""


def pages(places: Sequence[Path]) -> Iterator[Path]:
    """Markdown files, and those in folders."""
    for place in places:
        yield from sorted(place.rglob("*.md")) if place.is_dir() else [place]


def written(page: Path, measured: Path) -> str:
    """A page with everything between its markers made anew."""
    return with_tables(page.read_text(encoding="utf-8"), measured, commands, MAKERS)


def main(*places: Path) -> None:
    """Pages or folders of them, then the folder of the measured records."""
    *texts, measured = places
    for page in pages(texts):
        write_whole(page, written(page, measured))
    for path, figure in figures(measured).items():
        write_figures({path.stem: figure}, path.parent, DPI)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
