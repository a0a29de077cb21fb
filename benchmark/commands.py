"""The command behind a record: what a person gives to measure it again.

What a verb or a preset takes anyway is left out; every other setting of the record that the preset has stands behind
`--set`. Paths are not in records: `CAMUS` stands for a dataset's folder, an ellipsis for the end of a run's.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from echobench.benchmark import RUNS
from echobench.benchmark.cells import compare, sweep
from echobench.benchmark.cli.entry import main
from echobench.benchmark.run.settings import RunSettings
from echobench.benchmark.stress import settings as stress
from echobench.benchmark.stress.settings import resolve_stress
from echobench.data.base.differences import Facts, flat
from echobench.data.base.errors import EchobenchError
from echobench.data.frames import VIEWS
from echobench.generators.base import Generator
from echobench.generators.folder import folder_of
from echobench.generators.registry import generator_class
from echobench.results.evidence.adherence import IDEAL
from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.cost import FIT
from echobench.results.evidence.cross import crossed_runs
from echobench.results.evidence.differences import key
from echobench.results.records.cross import ECHONET
from echobench.results.records.run import RunRecord, read_record
from echobench.results.records.stress import StressRecord, read_stress
from echobench.segmentation.networks import PAPER
from echobench.segmentation.settings import PRESETS as UNET_PRESETS
from echobench.segmentation.settings import preset_of

CAMUS, ECHONET_FOLDER = "CAMUS_public", "EchoNet-Dynamic"
SPEED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "preset": ("ECHOBENCH_SPEED_PRESET", "standard"),
        "batch": ("ECHOBENCH_SPEED_BATCH", "16"),
        "size_px": ("ECHOBENCH_SPEED_SIZE", "256"),
        "extrapolated_from_steps": ("ECHOBENCH_SPEED_STEPS", "20"),
        "device": ("ECHOBENCH_SPEED_DEVICE", "cpu"),
    }
)
"""What `make speed` can be told: the variable of each column of its file, and what it is if nothing is said."""


def commands(kind: str, places: Sequence[Path]) -> list[str]:
    """Those that make a block of the README, from the places of its records (`results.readme.places_of`)."""
    if kind == "speed":
        return [speed_command(pd.read_csv(place)) for place in places]
    if kind == "stress":
        return [stress_command(read_stress(place)[0]) for place in places]
    if kind in ("sweep", "worth", "patients"):
        return of_sweep([read_record(place)[0] for place in places])
    groups = Comparison.of(places).groups
    found = [command for group in groups for command in of_runs([run.record for run in group.runs])]
    if kind == "cross":
        targets = (crossed[0].record.target for group in groups for crossed in crossed_runs(group.runs))
        found += [cross_command(target) for target in dict.fromkeys(targets)]
    return found


def of_runs(records: Sequence[RunRecord]) -> list[str]:
    """One comparison of those that it can make together, and a run for each other."""
    plain = [record for record in records if _is_plain(record)]
    together = compare_command(plain)
    apart = [record for record in records if together is None or record not in plain]
    apart.sort(key=_took_its_generator)  # from one of the others, which has to be there
    return [*filter(None, [together]), *map(run_command, apart)]


def of_sweep(records: Sequence[RunRecord]) -> list[str]:
    """One sweep where that makes just these runs, else a run for each."""
    together = sweep_command(records)
    return [together] if together else list(map(run_command, records))


def run_command(record: RunRecord) -> str:
    """`echobench run` with the settings of a record. Raises EchobenchError for a setting that is there no longer."""
    asked = _asked(record.settings)
    backend = generator_class(record.generator)
    teacher = _folder(next(iter(backend.draws_with), record.generator), record.view, record.preset, record.dataset)
    return _command(
        "run",
        **_common(record)
        | {name: value for name, value in asked.items() if name not in ("strength", "seed", "unet_seeds", "preset")},
        strength=asked["strength"] if backend.deforms else None,
        assignments=assignments(record),
        generator_from=teacher if _took_its_generator(record) else None,
    )


def compare_command(records: Sequence[RunRecord]) -> str | None:
    """`echobench compare` where it makes just these runs; None where it cannot, or where it is one run."""
    generators = [record.generator for record in records]
    asked = [_asked(record.settings) for record in records]
    alike = {key([_common(record), one["view"], one["phase"]]) for record, one in zip(records, asked, strict=True)}
    strengths = _strengths(records)
    if len(records) < 2 or len(alike) > 1 or len(strengths) > 1 or len(set(generators)) < len(generators):
        return None
    return _command(
        "compare",
        **_common(records[0]),
        generators=_names(generators, compare.GENERATORS),
        views=_names([asked[0]["view"]], ["4C"]),
        phases=_names([asked[0]["phase"]], ["all"]),
        networks=_other_network(records[0].settings),
        strength=next(iter(strengths), None),
    )


def sweep_command(records: Sequence[RunRecord]) -> str | None:
    """`echobench sweep` where it makes just these runs; None where it does not."""
    first, asked = records[0], [_asked(record.settings) for record in records]
    chosen_settings = max(map(assignments, records), key=len)  # not all generators have what is set
    generators = list(dict.fromkeys(record.generator for record in records))
    strengths, fractions = _strengths(records) or [1.0], sorted({one["fraction"] for one in asked})
    drawn = [one for one in asked if one["patients"] is not None]
    lists: dict[str, Any] = {"patients": sorted({one["patients"] for one in drawn}) or None}
    draws = max((one["patient_draw"] for one in drawn), default=sweep.DRAWS - 1) + 1
    if any(one["mix"] is not None for one in asked):
        lists["mixes"] = sorted({one["mix"] or 0.0 for one in asked})
        generators = [name for name in generators if name != "real"]
    images = next((one["images"] for one in asked if one["images"] is not None), None)
    chosen = _common(first) | {"view": first.view, "images": images, "assignments": chosen_settings}
    chosen["scored_on"] = first.scored_on
    try:
        cells = sweep.plan(
            Path(), generators=generators, strengths=strengths, fractions=fractions, patient_draws=draws,
            **lists | chosen | {"preset": first.preset},
        )  # fmt: skip
    except EchobenchError:
        return None
    planned = [cell.settings for cell in cells]
    made = [[_asked(one.as_dict()), sorted(_assigned(one.as_dict(), _backend(one)))] for one in planned]
    had = [[one, sorted(assignments(record))] for one, record in zip(asked, records, strict=True)]
    if sorted(map(key, made)) != sorted(map(key, had)):
        return None
    return _command(
        "sweep",
        **chosen,
        generators=_names(generators, sweep.GENERATORS),
        strengths=None if strengths == [1.0] else _numbers(strengths),
        patient_draws=draws,
        **{name: values and _numbers(values) for name, values in lists.items()},
        fractions=None if fractions == [1.0] else _numbers(fractions),
    )


def stress_command(record: StressRecord) -> str:
    """`echobench stress` with the settings of a record; generators of other presets are those of runs."""
    had = record.settings
    usual = resolve_stress(view=record.view, data=had["data"], preset=record.preset)
    names = [name for name, one in record.generators.items() if name != IDEAL and record.preset in _presets_of(one)]
    others = [one for name, one in record.generators.items() if name != IDEAL and name not in names]
    return _command(
        "stress",
        **_common(record),
        view=record.view,
        runs=[_folder(one["name"], record.view, next(_presets_of(one), "…"), record.dataset) for one in others],
        generators=_names(names, stress.GENERATORS) if names else None,
        deformations=_names(had["deformations"], usual.deformations),
        severities=_numbers([0.0, *had["severities"]]),
        patients=None if had["patients"] == usual.patients else had["patients"],
        assignments=list(_changes("unet", UNET_PRESETS[record.preset], had["judge"]["unet"], "the judge")),
    )


def cross_command(target: str) -> str:
    """`echobench cross` of finished runs on a target, by its name."""
    if target in VIEWS:
        return _command("cross", runs=[RUNS], on="view")
    if target == "camus":
        return _command("cross", runs=[RUNS], on="camus", data_camus=CAMUS)
    return _command("cross", runs=[RUNS], data_echonet=ECHONET_FOLDER if target == ECHONET else None)


def speed_command(rows: pd.DataFrame) -> str:
    """`make speed` with what was measured otherwise than it does if nothing is said."""
    said = rows.max()
    told = {variable: _text(said[column]) for column, (variable, _) in SPEED.items() if pd.notna(said[column])}
    usual = dict(SPEED.values())
    return shlex.join(["make", "speed", *(f"{name}={value}" for name, value in told.items() if value != usual[name])])


def assignments(record: RunRecord) -> list[str]:
    """What `--set` takes to make a record's settings of its preset's. Raises EchobenchError for a setting that is there
    no longer."""
    return _assigned(record.settings, None if record.is_drawn_elsewhere else generator_class(record.generator))


def _backend(settings: RunSettings) -> type[Generator] | None:
    return None if folder_of(settings.generator) else settings.backend


def _assigned(settings: Facts, backend: type[Generator] | None) -> list[str]:
    """The same of a run's settings. backend: of its generator; None where the images were drawn elsewhere."""
    unet, whose = settings["unet_settings"], settings["generator"]
    parts = {"unet": (preset_of(settings["preset"], _network(unet)), {"network": PAPER} | unet)}
    if backend is not None:
        had = backend.upgraded(settings["generator_settings"])  # what was not yet a setting is one to be set
        parts = {"generator": (backend.presets[settings["preset"]], had)} | parts
    return [one for part, (preset, had) in parts.items() for one in _changes(part, preset, had, whose)]


def _changes(part: str, preset: Any, had: Facts, whose: str) -> Iterator[str]:
    """The assignments that make what a part had of its preset. Raises EchobenchError, see `assignments`."""
    usual = flat(asdict(preset))
    for name, value in flat(had).items():
        if name not in usual:
            raise EchobenchError(f"{part}.{name} is a setting no longer: no command gives {whose} again")
        if key(value) != key(usual[name]):
            text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            yield f"{part}.{name}={text}"


_ASKED = (
    "generator", "view", "phase", "strength", "images", "fraction", "seed", "unet_seeds", "preset", "scored_on", "mix",
    "patients", "patient_draw",
)  # fmt: skip


def _asked(settings: Facts) -> Facts:
    """The settings that options of their own say, the data apart."""
    return {name: settings[name] for name in _ASKED}


def _common(record: RunRecord | StressRecord) -> dict[str, Any]:
    """Options that every verb has, None where it takes the same if nothing is said."""
    had, usual = record.settings, "standard" if record.settings["data"] else "quick"
    return {
        "data": CAMUS if had["data"] else None,
        "preset": None if record.preset == usual else record.preset,
        "seed": had["seed"],
        "network": _other_network(had),
    } | ({"unet_seeds": len(had["unet_seeds"])} if "unet_seeds" in had else {})


def _network(unet_settings: Facts) -> str:
    """By the name that `--network` takes."""
    return str(unet_settings.get("network", PAPER))


def _other_network(settings: Facts) -> str | None:
    """The network of a record that has another one than all have if nothing is said."""
    network = _network(settings.get("unet_settings", {}))
    return None if network == PAPER else network


def _is_plain(record: RunRecord) -> bool:
    """Whether `compare` has an option for everything that was asked of a run."""
    asked = _asked(record.settings)
    usual = {"images": None, "fraction": 1.0, "scored_on": "testing", "mix": None, "patients": None}
    return all(asked[name] == value for name, value in usual.items()) and not (
        record.is_drawn_elsewhere or assignments(record)
    )


def _took_its_generator(record: RunRecord) -> bool:
    return any(stage.taken and stage.name.startswith(FIT) for stage in record.stages)


def _strengths(records: Iterable[RunRecord]) -> list[float]:
    """Those of the runs that deform their maps."""
    return sorted({r.settings["strength"] for r in records if generator_class(r.generator).deforms})


def _presets_of(entrant: Facts) -> Iterator[str]:
    """The presets whose settings a generator of a stress had."""
    backend = generator_class(entrant["name"])
    had = key(backend.upgraded(entrant["settings"]))
    return (name for name, preset in backend.presets.items() if key(asdict(preset)) == had)


def _folder(generator: str, view: str, preset: str, dataset: str) -> str:
    """What the folder of a run is called, as far as a record tells."""
    return f"{RUNS}/{'phantom' if dataset == 'phantom' else 'camus'}-{generator}-{view}-{preset}-…"


def _command(verb: str, **chosen: Any) -> str:
    """`echobench VERB` with the options, by the names of its parameters, that are not what it takes anyway."""
    words = ["echobench", verb]
    for parameter in main.commands[verb].params:
        value = chosen.get(str(parameter.name))
        if value is None or value == parameter.default:
            continue
        for one in value if parameter.multiple else [value]:
            words += [max(parameter.opts, key=len), _text(one)]
    return shlex.join(words)


def _names(chosen: Sequence[str], usual: Sequence[str]) -> str | None:
    """ "A,B", None for what is taken anyway."""
    return None if set(chosen) == set(usual) else ",".join(chosen)


def _numbers(numbers: Iterable[float]) -> str:
    return ",".join(map(_text, numbers))


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
