"""Where a run departs from "Echo from noise": the rows of paper_facts.csv that apply to it.

A fact is what the paper (arXiv 2305.05424v2) says or what its authors' code does, which is
github.com/david-stojanovski/echo_from_noise at d30a5b6. Where our code does otherwise whatever a user sets, a comment
names the fact's key in brackets; tests hold comments and table to each other.
"""

import csv
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from types import MappingProxyType
from typing import Any

from echobench.data.base.differences import flat
from echobench.data.frames import PHASES, VIEWS
from echobench.results.evidence.differences import shown
from echobench.results.records.unsaid import fill_in
from echobench.results.shown.published import ROWS

OFFICIAL = "official"
"""Origin of the split of a dataset that states one."""
Described = Mapping[str, Any]
"""A run by the names of the facts: {"unet.batch_size": 8, "data": "CAMUS", "deforms": True, …}."""


_BEFORE = MappingProxyType({"sdm.training.bound_weight": 1.0, "cyclegan.rendering": "colours", "unet.network": "unet"})
"""What runs had before there was such a setting."""
_IN_TABLE_1 = frozenset(row.generator for row in ROWS)


@dataclass(frozen=True)
class Departure:
    """ours, theirs: what each does, in words. source: where theirs is stated."""

    key: str
    ours: str
    theirs: str
    source: str

    @property
    def sentence(self) -> str:
        """As a record has it."""
        return f"{self.key}: {self.ours}, paper {self.theirs}"


@dataclass(frozen=True)
class Fact:
    """A row of the table; all fields are text.

    key: what it is about; of a setting, its name. part: of a run.
    when: the runs that may depart, a name of `CONDITIONS`; empty where echobench does as published.
    value: JSON, the published value of the setting `key`, which a run departs from by another one. Empty where no
        setting decides: then all runs of `when` depart.
    ours: what echobench does, with {settings}; empty: the value of the setting.
    paper, code: what each says, empty where it says nothing.
    published: which counts: "paper", "code", "both" where they agree, "neither" for a fault of the code that is not
        copied and of which the paper says nothing.
    source: places in paper and code.
    """

    key: str
    part: str
    when: str
    value: str
    ours: str
    paper: str
    code: str
    published: str
    source: str

    @property
    def theirs(self) -> str:
        """What was published, in words."""
        return self.paper if self.published in ("paper", "both") and self.paper else f"{self.code} (its code)"

    def departure(self, run: Described) -> Departure | None:
        """How a run departs from this fact; None if it does not."""
        if not self.when or not CONDITIONS[self.when](run) or self._chosen_as_published(run):
            return None
        ours = re.sub(r"{([\w.]+)}", lambda name: shown(run.get(name[1])), self.ours or f"{{{self.key}}}")
        return Departure(self.key, ours, self.theirs, self.source)

    def _chosen_as_published(self, run: Described) -> bool:
        """A setting that an old record lacks was not there to be chosen."""
        if not self.value:
            return False
        value = json.loads(self.value)
        return bool(run.get(self.key, value) == value)


CONDITIONS: Mapping[str, Callable[[Described], bool]] = MappingProxyType(
    {
        "any": lambda run: True,
        "CAMUS": lambda run: run["data"] == "CAMUS",
        "deforming": lambda run: run["deforms"],
        "deforming, as many of each frame": lambda run: run["deforms"] and run["maps.images"] is None,
        "as they are": lambda run: not run["deforms"],
        "folder": lambda run: run["generator"].startswith("folder:"),
        "another generator": lambda run: run["generator"].partition(":")[0] not in {*_IN_TABLE_1, "folder"},
        "real or cyclegan, not all frames": lambda run: run["generator"] in ("real", "cyclegan") and not _row(run),
        "counting epochs": lambda run: run.get("unet.epochs") is not None,
        "sdm": lambda run: run["generator"] == "sdm",
        "sdm, frames of no row": lambda run: run["generator"] == "sdm" and not _row(run),
        "own sdm": lambda run: "sdm.network.patch" in run,
        "sdm by Muon": lambda run: run.get("sdm.training.muon_rate") is not None,
        "published sdm": lambda run: "sdm.network.multipliers" in run,
        "cyclegan": lambda run: run["generator"] == "cyclegan",
        "cyclegan counting epochs": lambda run: (
            run["generator"] == "cyclegan" and run.get("cyclegan.training.steps") is None
        ),
    }
)
"""Which runs a fact is about."""


@cache
def facts() -> tuple[Fact, ...]:
    """The table."""
    text = (files("echobench.results.shown") / "paper_facts.csv").read_text(encoding="utf-8")
    return tuple(Fact(**row) for row in csv.DictReader(text.splitlines()))


def departures(settings: Mapping[str, Any], *, dataset: str, deforms: bool, split: str = OFFICIAL) -> list[Departure]:
    """Every fact that a run departs from, in the order of the table.

    settings: as `RunRecord` holds them, those of old records too. dataset, split: name and origin as a record states
    them. deforms: whether its generator draws deformed maps.
    """
    run = described(settings, dataset=dataset, deforms=deforms, split=split)
    found = (fact.departure(run) for fact in facts())
    return [departure for departure in found if departure is not None]


def described(settings: Mapping[str, Any], *, dataset: str, deforms: bool, split: str) -> Described:
    """A run by the names of the facts; arguments as in `departures`."""
    settings = fill_in(settings)
    generator, images, views, phases = (settings[name] for name in ("generator", "images", "view", "phase"))
    return {
        **_BEFORE,
        "generator": generator,
        "deforms": deforms,
        "data": dataset,
        "data.split": OFFICIAL if split.startswith(OFFICIAL) else split,
        "data.fraction": settings["fraction"],
        "data.patients": settings["patients"],
        "data.mix": settings["mix"],
        "data.images": images,
        "data.frames": ", ".join(
            f"{view} {phase}"
            for view, phase in product(VIEWS, PHASES)
            if views in (view, "all") and phases in (phase, "all")
        ),
        "maps.strength": settings["strength"],
        "maps.repeats": settings["repeats"],
        "maps.images": images,
        "scores": settings["scored_on"],
        "scoring.unet_seeds": len(settings["unet_seeds"]),
        **flat(settings["unet_settings"], "unet."),
        **flat(settings["generator_settings"], f"{generator}."),
    }


def _row(run: Described) -> bool:
    """Whether Table 1 of the paper has a row of this generator and these frames."""
    return any(row.generator == run["generator"] and row.frames == set(run["data.frames"].split(", ")) for row in ROWS)
