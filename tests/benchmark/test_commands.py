"""The command of a record is one that the command line takes, and that resolves to the record's settings."""

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import click
import pandas as pd
import pytest

from echobench.benchmark.cells import compare, sweep
from echobench.benchmark.cli.entry import main
from echobench.benchmark.cli.options import counts_in, names_in, numbers_in
from echobench.benchmark.commands import (
    CAMUS,
    commands,
    compare_command,
    cross_command,
    of_runs,
    of_sweep,
    run_command,
    speed_command,
    stress_command,
    sweep_command,
)
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.stress.settings import cells, resolve_stress
from echobench.data.base.differences import flat
from echobench.data.base.errors import EchobenchError
from echobench.data.base.settings import settings_from
from echobench.generators.registry import generator_class
from echobench.results.records.run import read_record
from echobench.results.records.stress import read_stress
from echobench.results.records.unsaid import FIRST_DEFORMATION
from echobench.results.shown.readme import places_of

MEASURED = Path(__file__).resolve().parent.parent.parent / "results" / "measured"
RUNS = sorted({path.parent.resolve() for path in MEASURED.glob("**/run.json")})
STRESSES = sorted(path.parent for path in MEASURED.glob("*/stress.json"))
OF_RUN = (
    "generator",
    "view",
    "phase",
    "data",
    "preset",
    "strength",
    "seed",
    "images",
    "network",
    "fraction",
    "scored_on",
    "mix",
    "patients",
    "patient_draw",
    "unet_seeds",
    "assignments",
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch, make_camus, make_frames):
    """No data is known, and a folder of drawn images is there."""
    monkeypatch.delenv("ECHOBENCH_CAMUS", raising=False)
    monkeypatch.chdir(tmp_path)
    make_camus(tmp_path / "sdm-drawn", make_frames(3), None)


def parsed(command):
    """Its verb, and what the command line makes of its options."""
    program, verb, *words = shlex.split(command)
    assert program == "echobench"
    return verb, main.commands[verb].make_context(verb, words).params


def resolved(command):
    """The settings of the runs that a command makes."""
    verb, given = parsed(command)
    if verb == "run":
        return [resolve(**{name: given[name] for name in OF_RUN})]
    lists = {name: names_in(given[name]) for name in ("generators", "views", "phases") if name in given}
    numbers = ("strengths", "fractions", "mixes")
    lists |= {name: given[name] and numbers_in(given[name]) for name in numbers if name in given}
    lists |= {"patients": given["patients"] and counts_in(given["patients"])} if "patients" in given else {}
    names = ("data", "preset", "strength", "mix", "seed", "unet_seeds", "view", "images", "assignments", "scored_on")
    names += ("patient_draws",)
    plan = {"compare": compare.plan, "sweep": sweep.plan}[verb]
    return [cell.settings for cell in plan(Path(), **lists, **{name: given[name] for name in names if name in given})]


def essence(settings, names):
    """Settings as a record has them, those with these names alone; not where data lie and what is in them."""
    paths = ("data", "generator_settings.sha256")
    return {name: value for name, value in flat(settings).items() if name in names and name not in paths}


def makes(command, records):
    """Whether a command makes just these runs. Older records know fewer settings: what they know has to agree. The
    first random deformation is one that no command gives any more."""
    had = [
        {name: value for name, value in record.settings.items() if (name, value) != ("deformation", FIRST_DEFORMATION)}
        for record in records
    ]
    made = [settings.published() for settings in resolved(command)]
    return len(made) == len(had) and all(
        any(essence(one, set(flat(settings))) == essence(settings, set(flat(settings))) for one in made)
        for settings in had
    )


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: str(folder.relative_to(MEASURED)))
def test_the_command_of_every_committed_run_resolves_to_its_settings(folder):
    record, _ = read_record(folder)
    command = run_command(record)
    assert makes(command, [record])
    assert (f"--data {CAMUS}" in command) == (record.dataset == "CAMUS")


def test_another_setting_would_be_noticed():
    record, _ = read_record(MEASURED / "camus-sdm-standard")
    assert not makes(f"{run_command(record)} --set unet.steps=1", [record])
    assert not makes(f"{run_command(record)} --strength 2", [record])


def test_what_was_not_yet_a_setting_is_set_to_what_it_was(monkeypatch, tmp_path):
    backend = generator_class("sdm")
    today = backend.presets["standard"]
    other = replace(
        today,
        schedule=replace(today.schedule, power=2.0),
        sampling=replace(today.sampling, power=2.0),
        network=replace(today.network, placed=True),
        training=replace(today.training, muon_rate=0.03),
    )
    monkeypatch.setattr(backend, "presets", {**backend.presets, "standard": other})
    command = run_command(read_record(_of_version_0_1(tmp_path / "run"))[0])
    for setting in ("training.muon_rate=null", "schedule.power=1.0", "sampling.power=1.0", "network.placed=false"):
        assert f"--set generator.{setting}" in command


def _of_version_0_1(folder):
    """A run of sdm whose record does not know what came later."""
    shutil.copytree(MEASURED / "camus-sdm-standard", folder)
    written = json.loads((folder / "run.json").read_text())
    for part, name in (("training", "muon_rate"), ("schedule", "power"), ("sampling", "power"), ("network", "placed")):
        del written["settings"]["generator_settings"][part][name]
    (folder / "run.json").write_text(json.dumps(written))
    return folder


@pytest.fixture
def presets_of_then(monkeypatch):
    """Presets as they were when the records were made."""
    for folder in (place for dataset in ("camus", "phantom") for place in places_of(MEASURED, "table", dataset)):
        record, _ = read_record(folder)
        if record.is_drawn_elsewhere or not (backend := generator_class(record.generator)).trained:
            continue
        had = settings_from(backend.kind, backend.upgraded(record.settings["generator_settings"]), folder)
        monkeypatch.setattr(backend, "presets", {**backend.presets, record.preset: had})


@pytest.mark.parametrize("folder", STRESSES, ids=lambda folder: folder.name)
def test_the_command_of_every_committed_stress_resolves_to_its_settings(folder):
    record, _ = read_stress(folder)
    _, given = parsed(stress_command(record))
    settings = resolve_stress(
        view=given["view"], data=given["data"], preset=given["preset"], deformations=names_in(given["deformations"]),
        severities=numbers_in(given["severities"]), patients=given["patients"], seed=given["seed"],
    )  # fmt: skip
    known = set(flat(record.settings))
    assert essence(settings.published(), known) == essence(record.settings, known)
    asked = cells(
        Path(), settings, names_in(given["generators"]) or ([] if given["runs"] else ["sdm", "cyclegan", "paint"])
    )
    names = {cell.settings.generator for cell in asked} | {str(run).split("-")[1] for run in given["runs"]}
    assert names | {"warp"} == set(record.generators)


def test_a_stress_says_how_its_judge_was_changed():
    record, _ = read_stress(STRESSES[0])
    assert "--set" not in stress_command(record)
    judge = record.settings["judge"]
    settings = record.settings | {"judge": judge | {"unet": judge["unet"] | {"steps": 7}}}
    _, given = parsed(stress_command(replace(record, settings=settings)))
    assert resolve_stress(preset=record.preset, assignments=given["assignments"]).judge.unet.steps == 7


def test_a_comparison_is_one_command_and_what_it_cannot_make_has_its_own(presets_of_then):
    records = [read_record(folder)[0] for folder in places_of(MEASURED, "table", "camus")]
    other = next(record for record in records if record.generator == "flow")
    other = replace(other, settings=other.settings | {"images": 400})
    together, apart = of_runs([*(record for record in records if record.generator != "flow"), other])
    assert together.startswith("echobench compare --generators ") and together.endswith(f" --data {CAMUS}")
    assert makes(together, [record for record in records if record.generator != "flow"])
    assert makes(apart, [other])


def test_a_sweep_is_one_command(presets_of_then):
    records = [read_record(folder)[0] for folder in places_of(MEASURED, "sweep", "camus")]
    records = [record for record in records if record.generator != "sdm"]  # which lacks two strengths
    (command,) = of_sweep(records)
    assert parsed(command)[0] == "sweep" and makes(command, records)


def test_a_sweep_that_lacks_a_run_is_no_sweep():
    records = [read_record(folder)[0] for folder in places_of(MEASURED, "sweep", "camus")]
    assert sweep_command(records[:-1]) is None
    assert of_sweep(records[:-1]) == [run_command(record) for record in records[:-1]]


def test_a_sweep_of_patients_and_mixes_is_one_command(warp):
    real = read_record(MEASURED / "camus-real-standard")[0]
    records = [
        changed(one, patients=patients, patient_draw=draw, unet_seeds=[draw], mix=mix, scored_on="validation")
        for draw in range(2)
        for patients in (2, 5)
        for one, mix in ((real, None), (warp, 4.0))
    ]
    (command,) = of_sweep(records)
    assert makes(command, records)
    assert "--generators warp --patients 2,5 --patient-draws 2 --mixes 0,4" in command
    assert sweep_command(records[1:]) is None


def test_a_sweep_sets_what_only_some_of_its_generators_have(warp, presets_of_then):
    flow = read_record(MEASURED / "camus-flow-standard")[0]
    training = flow.settings["generator_settings"]["training"] | {"steps": 1250}
    short = changed(flow, generator_settings=flow.settings["generator_settings"] | {"training": training})
    records = [changed(one, strength=strength) for strength in (1.0, 2.0) for one in (warp, short)]
    (command,) = of_sweep(records)
    assert makes(command, records) and command.count("--set") == 1
    assert len(of_sweep([*records[:3], changed(flow, strength=2.0)])) == 4, "one flow was trained for longer"


def changed(record, generator=None, **settings):
    settings = {"phase": "all", "images": None, "fraction": 1.0} | record.settings | settings
    named = generator or record.generator
    return replace(record, generator=named, settings=settings | {"generator": named}, view=settings["view"])


@pytest.fixture
def warp():
    return read_record(MEASURED / "camus-warp-standard")[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"view": "2C"}, {"phase": "ED"}, {"strength": 0.5}, {"seed": 7, "unet_seeds": [7, 8]}, {"images": 400},
        {"fraction": 0.25}, {"unet_seeds": [0]}, {"mix": 4.0},
        {"patients": 10, "patient_draw": 2, "unet_seeds": [2, 3]},
    ],
    ids=str,
)  # fmt: skip
def test_every_option_of_run_is_said_where_it_is_not_the_usual_one(warp, settings):
    record = changed(warp, **settings)
    assert makes(run_command(record), [record])


def test_settings_of_a_preset_that_were_changed_are_set(warp):
    unet = warp.settings["unet_settings"] | {"steps": 100, "channels": [2, 4], "epochs": None}
    record = changed(warp, unet_settings=unet)
    assert "--set 'unet.channels=[2,4]' --set unet.steps=100" in run_command(record)
    assert makes(run_command(record), [record])


def test_a_setting_that_is_there_no_longer_is_named(warp):
    with pytest.raises(EchobenchError, match=r"unet\.magic is a setting no longer"):
        run_command(changed(warp, unet_settings=warp.settings["unet_settings"] | {"magic": 1}))


@pytest.mark.parametrize(
    ("settings", "together"),
    [
        ({"view": "2C"}, True), ({"phase": "ED"}, True), ({"strength": 2.0}, True), ({"unet_seeds": [0]}, True),
        ({"images": 400}, False), ({"fraction": 0.5}, False), ({"mix": 4.0}, False), ({"patients": 9}, False),
    ],
    ids=str,
)  # fmt: skip
def test_a_comparison_says_what_is_not_usual_or_is_none(warp, settings, together):
    real = read_record(MEASURED / "camus-real-standard")[0]
    own = {name: value for name, value in settings.items() if name not in ("strength", "images", "mix")}
    records = [changed(real, **own), changed(warp, **settings)]
    found = of_runs(records)
    if together:
        (command,) = found
        assert parsed(command)[0] == "compare" and makes(command, records)
    else:
        assert all(makes(command, [record]) for command, record in zip(found, records, strict=True))


def test_runs_of_several_strengths_or_of_one_generator_are_no_comparison(warp):
    paint = read_record(MEASURED / "camus-paint-standard")[0]
    assert compare_command([warp, changed(paint, strength=2.0)]) is None
    assert compare_command([warp, changed(warp, strength=2.0)]) is None
    assert compare_command([warp]) is None


@pytest.mark.parametrize("name", ["camus-minutes", "camus-evaluations"])
def test_who_takes_a_trained_generator_comes_after_who_trains_it(name):
    lines = commands("curve", places_of(MEASURED, "curve", name))
    taking = ["--generator-from" in line for line in lines]
    assert taking == sorted(taking) and True in taking


def test_who_draws_with_the_weights_of_another_generator_takes_them_from_its_run():
    record, _ = read_record(MEASURED / "camus-inpaint-standard")
    assert "--generator-from 'runs/camus-flow-4C-standard-…'" in run_command(record)


def test_a_cross_follows_the_runs_that_it_scores(presets_of_then):
    lines = commands("cross", places_of(MEASURED, "cross", "phantom"))
    generators = "real,cyclegan,flow,inpaint,paint,sdm,spade,warp"
    assert lines == [f"echobench compare --generators {generators}", "echobench cross --from runs"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("2C", {"on": "view"}),
        ("camus", {"on": "camus", "data_camus": Path(CAMUS)}),
        ("echonet", {"on": "echonet", "data_echonet": "EchoNet-Dynamic"}),
        ("phantom-echonet", {"on": "echonet", "data_echonet": None}),
    ],
)
def test_every_target_of_a_cross_can_be_named(target, said):
    verb, given = parsed(cross_command(target))
    assert verb == "cross" and given["runs"] == (Path("runs"),)
    assert {name: given[name] for name in said} == said


@pytest.mark.parametrize(
    ("preset", "command"),
    [
        ("standard", "make speed"),
        ("paper", "make speed ECHOBENCH_SPEED_PRESET=paper ECHOBENCH_SPEED_BATCH=1 ECHOBENCH_SPEED_STEPS=3"),
    ],
)
def test_speeds_are_measured_by_make(preset, command):
    assert speed_command(pd.read_csv(MEASURED / f"speed-{preset}.csv")) == command


def test_nothing_is_said_that_the_command_line_would_not_take():
    with pytest.raises(click.NoSuchOption):
        parsed("echobench run --generator sdm --colour red")
