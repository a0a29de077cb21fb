"""Where cells are carried out: a place of one's own, the order, and what happens to one that fails."""

from pathlib import Path

import pytest

from echobench.benchmark import choices
from echobench.benchmark.cells import compare, execute, sweep
from echobench.benchmark.cells.cell import Cell, in_order
from echobench.benchmark.cells.execute import carry_out_cell
from echobench.data.base.errors import EchobenchError
from echobench.generators.sdm import SemanticDiffusion
from echobench.results.records.run import is_finished, read_failed, read_record


class LastFirst:
    """The cells from the last to the first."""

    def carry_out(self, cells, device, report):
        for cell in in_order(cells[::-1]):
            report(f"begin {cell.title}")
            carry_out_cell(cell, device, report)


@pytest.fixture
def last_first(tiny, monkeypatch):
    monkeypatch.setattr(choices, "EXECUTORS", {**choices.EXECUTORS, "last-first": f"{__name__}:LastFirst"})


@pytest.fixture
def begun():
    """Titles of cells, in the order in which they were begun; and what reports them."""
    titles = []

    def report(stage):
        if stage.startswith("begin "):
            titles.append(stage.removeprefix("begin "))
        return lambda done, total, figures=None: None

    return titles, report


def test_a_place_of_ones_own_makes_the_same_comparison(last_first, begun, tmp_path):
    titles, report = begun
    scores = []
    for name in ("serial", "last-first"):
        cells = compare.plan(tmp_path / name, preset="tiny", unet_seeds=1, generators=["real", "paint"])
        compare.carry_out(cells, "cpu", report, executor=name)
        scores.append([(cell.folder / "scores.csv").read_bytes() for cell in cells])
        assert all((cell.folder / "realism.csv").is_file() for cell in cells)
    assert scores[0] == scores[1]
    assert titles == ["paint 4C", "real 4C"]


def test_whoever_takes_a_generator_waits_for_it(last_first, begun, camus_folder, tmp_path):
    titles, report = begun
    cells = sweep.plan(
        tmp_path, generators=["sdm"], strengths=[0, 1, 2], data=str(camus_folder), preset="tiny", unet_seeds=1
    )
    sweep.carry_out(cells, "cpu", report, executor="last-first")
    assert titles == ["sdm strength 0", "sdm strength 2", "sdm strength 1"]
    taken = [{s.name: s.taken for s in read_record(cell.folder)[0].stages}["fit-4C"] for cell in cells]
    assert taken == [False, True, True]


def test_the_order_follows_every_link():
    folders = [Path("a"), Path("b"), Path("c"), Path("d")]
    teachers = [Path("c"), Path("elsewhere"), Path("d"), None]
    cells = [Cell(None, *pair, teacher) for *pair, teacher in zip(folders, "abcd", teachers, strict=True)]
    assert [cell.title for cell in in_order(cells)] == ["d", "c", "a", "b"]


def test_an_unknown_place_is_refused_before_anything_runs(tiny, tmp_path):
    cells = compare.plan(tmp_path, preset="tiny", generators=["real"])
    with pytest.raises(EchobenchError, match="unknown executor 'cloud'; known: serial"):
        compare.carry_out(cells, "cpu", executor="cloud")
    assert not list(tmp_path.iterdir())


def test_a_cell_of_which_only_the_generator_is_wanted_can_be_gone_on_with(tiny, monkeypatch, camus_folder, tmp_path):
    (planned,) = compare.plan(tmp_path, preset="tiny", unet_seeds=1, generators=["sdm"], data=str(camus_folder))
    cell = Cell(planned.settings, planned.folder, "sdm", generator_only=True)
    fit, broken = SemanticDiffusion.fit, [True]

    def failing_once(self, *arguments, **options):
        if broken:
            raise EchobenchError(f"the loss is not a number {broken.pop()}")
        return fit(self, *arguments, **options)

    monkeypatch.setattr(SemanticDiffusion, "fit", failing_once)
    execute.Serial().carry_out([cell], "cpu", lambda stage: lambda *progress: None)
    assert "the loss is not a number" in read_failed(cell.folder).error
    execute.Serial().carry_out([cell], "cpu", lambda stage: lambda *progress: None)
    assert not is_finished(cell.folder) and not (cell.folder / "synthetic").exists()
    monkeypatch.setattr(SemanticDiffusion, "fit", None)
    execute.Serial().carry_out([planned], "cpu", lambda stage: lambda *progress, **figures: None)
    assert is_finished(cell.folder)
