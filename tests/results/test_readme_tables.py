"""Tables of the README from what was measured."""

import shutil
from pathlib import Path

import pandas as pd

from echobench.results.readme import figures, with_tables

MEASURED = Path(__file__).resolve().parent.parent.parent / "results" / "measured"

ROWS = pd.DataFrame(
    [
        ("ddim", 20, True, "bf16", 0.08, 4.0, 250.0),
        ("ancestral", 1000, False, "float32", 20.0, 20.0, 1.0),
        ("ancestral", 1000, True, "bf16", 4.0, 4.0, 5.0),
        ("ddim", 20, True, "bf16", 0.09, 4.5, 222.0),
        ("ddim", 20, False, "bf16", 0.16, 8.0, 125.0),
    ],
    columns=["sampler", "nfe", "cached", "precision", "seconds_per_image", "ms_per_step", "times_reference"],
)


def test_speeds_are_those_of_the_file(tmp_path):
    ROWS.to_csv(tmp_path / "speed-standard.csv", index=False)
    text = with_tables("before\n<!-- speed: standard -->\nold\n<!-- end -->\nafter\n", tmp_path)
    assert text.startswith("before\n") and text.endswith("<!-- end -->\nafter\n") and "old" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3  # the reference both ways, the default once, a slower way of it not at all
    assert lines[2] == "| ddim | 20 | once | bf16 | 4.0 | 0.080 | 250 |"
    assert lines[3] == "| ancestral | 1,000 | at every step | float32 | 20.0 | 20.000 | 1 |"


def test_a_sweep_has_a_table_and_a_figure(tmp_path):
    shutil.copytree(MEASURED / "camus-sweep-short", tmp_path / "camus-sweep")
    text = with_tables("<!-- sweep: camus -->\n<!-- end -->\n", tmp_path)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [row[1] for row in rows if row[0] == "| warp"] == ["0", "1", "2", "3"]
    assert list(figures(tmp_path)) == [tmp_path / "camus-sweep" / "strength.png"]


def test_a_curve_has_a_table_and_a_figure(tmp_path):
    for strength in (0, 1):  # any two runs of a group will do for the table
        shutil.copytree(
            MEASURED / "camus-sweep" / f"sdm-strength-{strength}", tmp_path / "camus-minutes" / f"{strength}"
        )
    text = with_tables(
        "<!-- curve: camus-minutes -->\n<!-- end -->\n<!-- curve: camus-images -->\n<!-- end -->\n", tmp_path
    )
    assert text.count("| `sdm (strength ") == 2
    assert list(figures(tmp_path)) == [tmp_path / "camus-minutes" / "minutes.png"]
