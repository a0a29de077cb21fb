"""docs/scale.md: its plan is computed from the records, and by hand where that is easy."""

from pathlib import Path

import pandas as pd
import pytest

from echobench.benchmark.cells.needs import OWN, PAPER
from echobench.benchmark.scale import Cell, cells, on_gpu, step_seconds, wall_hours

ROOT = Path(__file__).resolve().parent.parent
MEASURED, PAGE = ROOT / "results" / "measured", (ROOT / "docs" / "scale.md").read_text()


@pytest.mark.parametrize(
    ("gpus", "together", "hours"),
    [(1, 1, 42), (2, 1, 12 + 9), (4, 1, 12 + 6), (6, 1, 12 + 3), (4, 2, 6 + 6), (8, 4, 3 + 3)],
)
def test_hours_of_two_cells_by_hand(gpus, together, hours):
    """Each trains for 6 hours, draws for 6, and has three U-Nets of 3."""
    assert wall_hours([Cell(6, 6, 3)] * 2, gpus, together) == hours


def test_nothing_is_faster_than_its_work_or_its_longest_cell():
    plan = cells(on_gpu(MEASURED))
    total, longest = sum(cell.total for cell in plan), max(cell.fit + cell.draw + cell.unet for cell in plan)
    assert len(plan) == 24 and wall_hours(plan, 1, 1) == pytest.approx(total)
    for gpus in (8, 64):
        assert wall_hours(plan, gpus, 1) >= max(total / gpus, longest) * (1 - 1e-9)


def test_rates_are_those_of_the_records():
    """By hand: 9.715 s for the ten last steps of twelve images; 26.295 and 29.176 ms an evaluation."""
    rates = on_gpu(MEASURED)
    assert rates.train == pytest.approx((23.35678510400001 - 13.641855309000022) / 120)
    assert (rates.evaluate, rates.read) == pytest.approx((0.026295, 0.029176 - 0.026295))
    assert 0.005 < rates.unet < 0.05


@pytest.mark.parametrize(
    ("points", "seconds"),
    [
        ([("4C", 2, 48.0)], 24),
        ([("4C", 10, 90.0), ("4C", 20, 100.0)], 1),
        ([("2C", 10, 90.0), ("4C", 10, 100.0)], 10),
        ([("2C", 10, 90.0), ("2C", 20, 95.0), ("4C", 10, 90.0), ("4C", 20, 110.0)], 2),
    ],
)
def test_a_step_takes_what_lies_between_the_last_two_points_of_a_view(points, seconds):
    assert step_seconds(pd.DataFrame(points, columns=["view", "step", "seconds"])) == seconds


def test_the_page_says_what_memory_jobs_ask_for():
    own, paper = ([needs.memory_gb for needs in table.values()] for table in (OWN, PAPER))
    said = f"{min(own)} to {max(own)} GB of memory, and with the preset `paper` for {min(paper)} to {max(paper)} GB"
    assert said in " ".join(PAGE.split())
