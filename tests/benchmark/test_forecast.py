"""The estimate of a dry run: arithmetic of timed steps, and not far from what a run then takes."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from echobench.benchmark.cells import forecast as forecasting
from echobench.benchmark.cells.cell import Cell
from echobench.benchmark.cells.execute import Serial, find_executor
from echobench.benchmark.cells.forecast import (
    BYTES_PER_WEIGHT,
    DRAWING,
    GENERATORS,
    UNETS,
    GeneratorRates,
    Probe,
    UNetRates,
    counts_of,
    forecast,
    wall_seconds,
)
from echobench.benchmark.cells.parts import parts_of
from echobench.benchmark.cli.entry import main
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.stress.forecast import forecast_stress
from echobench.benchmark.stress.settings import resolve_stress
from echobench.data.datasets.registry import read_dataset
from echobench.generators import registry
from echobench.generators.paint import Paint
from echobench.results.records.run import read_record

pytestmark = pytest.mark.usefixtures("tiny")
ONE = Serial(1)


class Fixed(Probe):
    """Rates that are easy to add up; warp cannot be tried."""

    def generator(self, settings):
        if settings.generator == "real":
            return GeneratorRates()
        if settings.generator == "warp":
            return GeneratorRates(untried="warp, which is not at hand")
        return GeneratorRates(fit=1000.0, draw=1.0, image_bytes=100.0, parameters=7)

    def unet(self, settings):
        return UNetRates(step=2.0, look=0.5, parameters=3)


FIXED = Fixed("cpu")


@pytest.fixture
def cell_of(camus_folder, tmp_path):
    """A cell on three training patients and a validation patient, two frames each: 12 steps, a look every 6."""

    def made(generator="sdm", **asked):
        settings = resolve(generator=generator, view="4C", data=str(camus_folder), preset="tiny", **asked)
        return Cell(settings, tmp_path / settings.slug(), generator)

    return made


def test_the_arithmetic(cell_of):
    found = forecast([cell_of(unet_seeds=3)], ONE, FIXED)
    unet = 12 * 2.0 + 2 * 2 * 0.5
    assert found.work == {GENERATORS: 1000.0, DRAWING: 6 + 2, UNETS: 3 * unet}
    assert found.seconds == sum(found.work.values())
    assert found.bytes == BYTES_PER_WEIGHT * (7 + 3 * 3) + 8 * 100
    assert (found.jobs, found.threads) == (1, 1)


def test_jobs_work_side_by_side_where_they_can(cell_of):
    cells = [cell_of(unet_seeds=4), cell_of("real", unet_seeds=1)]
    alone, unet = forecast(cells, ONE, FIXED), 12 * 2.0 + 2 * 2 * 0.5
    beside = forecast(cells, find_executor("processes", jobs=2, threads=1), FIXED)
    assert alone.work == beside.work
    assert alone.seconds == 1008 + 5 * unet
    assert beside.seconds == 1008 + 2 * unet  # while the generator trains, the other job trains the U-Net of real


def test_no_part_begins_before_what_it_needs(cell_of):
    parts = parts_of([cell_of(unet_seeds=2)])
    seconds = {part.name: number for part, number in zip(parts, (10.0, 3.0, 4.0, 1.0), strict=True)}
    assert wall_seconds(parts, seconds, jobs=9) == 10 + 4 + 1
    assert wall_seconds(parts, seconds, jobs=1) == 18
    assert wall_seconds([], {}, jobs=2) == 0


def test_what_is_finished_costs_nothing(cell_of):
    cell = cell_of("paint", unet_seeds=1)
    run(cell.settings, cell.folder)
    assert forecast([cell], ONE, FIXED).work == {GENERATORS: 0, DRAWING: 0, UNETS: 0}
    more = replace(cell, settings=replace(cell.settings, unet_seeds=(0, 1)))
    assert forecast([more], ONE, FIXED).work == {GENERATORS: 0, DRAWING: 0, UNETS: 26}
    assert forecast([replace(cell, force=True)], ONE, FIXED).work[DRAWING] == 8


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"images": 5},
        {"fraction": 0.4},
        {"phase": "ED"},
        {"generator": "real", "fraction": 0.4},
        {"mix": 2.0},
        {"mix": 2.0, "patients": 2},
        {"patients": 2},
        {"generator": "real", "patients": 2},
    ],
    ids=str,
)
def test_images_are_counted_as_a_run_draws_them(make_camus, make_frames, tmp_path, asked):
    folder = make_camus(tmp_path / "camus", make_frames(6), (3, 2, 1))
    call = {"generator": "paint", "unet_seeds": 1, "view": "4C", "data": str(folder), "preset": "tiny"} | asked
    settings = resolve(**call)
    record, _ = run(settings, tmp_path / "run")
    counts, items = counts_of(settings), {stage.name: stage.items for stage in record.stages}
    assert counts.training == record.training_images
    if settings.backend.deforms:
        assert (items["draw-training-4C"], items["draw-validation-4C"]) == (counts.drawn, counts.validation)


def test_the_phantom_is_counted_without_being_written(tmp_path):
    settings = resolve(generator="real", view="all")
    assert counts_of(settings) == forecasting.Counts(drawn=4 * 96, training=4 * 96, validation=4 * 12)


def test_what_cannot_be_tried_is_named(cell_of, monkeypatch):
    class Plugin(Paint):
        trained = True

    monkeypatch.setattr(registry, "_registered", {"mine": Plugin})
    rates = Probe("cpu").generator(cell_of("mine").settings)
    assert (rates.fit, rates.draw) == (0, 0) and rates.untried.startswith("mine, of which nothing but a whole training")
    large = Probe("cpu").generator(resolve(generator="sdm", view="4C", preset="paper"))
    assert large.untried == "sdm, whose 652 million weights are too many to try on a processor"
    told = forecast([cell_of("warp")], ONE, FIXED)
    assert told.left_out == ("warp, which is not at hand",)
    assert told.sentences[-1] == "Left out as well: warp, which is not at hand."


@pytest.mark.parametrize("generator", ["warp", "sdm", "cyclegan"])
def test_every_kind_of_generator_is_tried(cell_of, generator):
    rates = Probe("cpu").generator(cell_of(generator).settings)
    assert not rates.untried and rates.draw > 0 and rates.image_bytes > 100
    assert (rates.fit > 0) == (rates.parameters > 0) == (generator != "warp")


def test_the_estimate_is_not_far_from_what_the_run_then_takes(cell_of):
    """Within a factor of 5 on a busy machine, where it is mostly within 2; seconds of steps, not of what is around."""
    longer = ["unet.steps=400", "unet.validation_every_steps=200", "generator.training.steps=120"]
    cell = cell_of(assignments=longer)
    foretold = forecast([cell], Serial(), Probe("cpu"))
    record, _ = run(cell.settings, cell.folder)
    took = {stage.name: stage.seconds for stage in record.stages}
    for what, seconds in ((GENERATORS, took["fit-4C"]), (UNETS, took["unet-0"])):
        assert 1 / 5 < foretold.work[what] / seconds < 5
    size = sum(path.stat().st_size for path in cell.folder.rglob("*") if path.is_file())
    assert 1 / 3 < foretold.bytes / size < 3
    assert read_record(cell.folder)[0].training_images == counts_of(cell.settings).training


def test_a_stress_trains_a_judge_and_draws_every_map_once(camus_folder, tmp_path):
    settings = resolve_stress(
        data=str(camus_folder), preset="tiny", severities=[0.5, 1], deformations=["swirl", "small", "mirror"]
    )
    found = forecast_stress(settings, [], ONE, FIXED, others=1)
    learnt = 3 * 2 * 3  # patients, phases, and as they are, at random, by the ladder
    assert learnt == len(read_dataset(camus_folder).subset("training")) * 3
    assert found.work == {GENERATORS: 0, DRAWING: 0, UNETS: 12 * 2.0 + 2 * round(0.1 * learnt) * 0.5}
    assert found.left_out == ("warp, which is not at hand", "drawing by the generators of --runs")
    sdm = Cell(resolve(generator="sdm", view="4C", data=str(camus_folder), preset="tiny"), tmp_path / "sdm", "sdm")
    beside = forecast_stress(settings, [replace(sdm, generator_only=True)], ONE, FIXED)
    assert (beside.work[GENERATORS], beside.work[DRAWING]) == (1000, 1 + 3 * 2)


def test_what_a_person_reads(camus_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("echobench.benchmark.cli.dry_run.Probe", Fixed)
    monkeypatch.chdir(tmp_path)
    words = ["compare", "--generators", "real,sdm", "--data", str(camus_folder), "--preset", "tiny", "--jobs", "1"]
    result = CliRunner().invoke(main, [*words, "--threads", "1", "--device", "cpu", "--unet-seeds", "1", "--dry-run"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split() for line in lines if line.startswith("unet_settings.steps ")] == [
        ["unet_settings.steps", "12"]
    ]
    assert "2 runs, none of them finished" in lines
    assert sum(line.startswith("  to do     runs/camus-") for line in lines) == 2
    assert "Estimate: 18 minutes with 1 job of 1 thread, 0 MB of disk." in lines
    assert "Of all jobs together: training generators 17 minutes, drawing 8 s, training U-Nets 52 s." in lines
    assert not list(tmp_path.glob("runs"))


def test_data_that_are_not_there_are_refused(tmp_path):
    result = CliRunner().invoke(main, ["compare", "--data", str(tmp_path / "nowhere"), "--dry-run"])
    assert result.exit_code == 1 and "there is no folder" in result.stderr
