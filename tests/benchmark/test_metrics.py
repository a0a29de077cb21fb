"""A metric costs one line: CONTRIBUTING's example goes through a run into its record, its tables and the report."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.results.evidence.comparison import Comparison
from echobench.results.records.run import FIRST_METRICS, read_record
from echobench.results.report.page import write_report
from echobench.results.shown.formats import NOTHING, shown
from echobench.results.shown.tables import missed_structures, region_table
from echobench.segmentation.scores import METRICS

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "tiny_metric.py"


@pytest.fixture
def precision(monkeypatch):
    """The example, in the table of metrics."""
    found = importlib.util.spec_from_file_location("tiny_metric", EXAMPLE)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    monkeypatch.setitem(METRICS, "precision", module.PRECISION)


def run_of(generator, camus_folder, folder):
    return run(resolve(generator=generator, view="4C", data=str(camus_folder), preset="tiny"), folder)


@pytest.mark.usefixtures("tiny", "precision")
def test_a_metric_of_one_line_reaches_record_table_and_report(camus_folder, tmp_path, monkeypatch):
    run_of("real", camus_folder, tmp_path / "real")
    record, scores = read_record(tmp_path / "real")
    assert [metric.name for metric in record.metrics] == ["dice", "hd95_mm", "assd_mm", "ece", "precision"]
    own = scores[scores["metric"] == "precision"].sort_values(["phase", "region"])
    expected = scores[scores["metric"] == "dice"].sort_values(["phase", "region"])
    # Dice (n_ref + n_pred) = 2 n_both = 2 precision n_pred
    sizes = expected["n_ref"] + expected["n_pred"]
    np.testing.assert_allclose(2 * own["value"] * own["n_pred"], (expected["value"] * sizes).to_numpy())

    monkeypatch.delitem(METRICS, "precision")  # a run of before it was added
    run_of("warp", camus_folder, tmp_path / "warp")
    (group,) = Comparison.of([tmp_path / "real", tmp_path / "warp"]).groups
    table = region_table(group, "precision")
    assert table.caption.startswith("Precision in %, higher is better")
    assert table.notes[0].startswith("A structure that the U-Net misses counts as 0;")
    texts = shown(table).set_index(["trained on", "frames"])
    cavity = own[own["region"] == "LVendo"]["value"].mean()
    assert texts.loc[("real", "all"), "LVendo"] == f"{100 * cavity:.1f}"
    assert (texts.loc["warp"] == NOTHING).all(axis=None)
    assert missed_structures(scores) == missed_structures(scores[scores["metric"] == "precision"])

    page = write_report(tmp_path, Comparison.of([tmp_path / "real", tmp_path / "warp"])).read_text()
    assert "Other scores" in page and "Precision in %" in page


def test_records_of_before_metrics_were_kept_have_what_was_scored_then():
    assert list(FIRST_METRICS) == [METRICS[metric.name].facts for metric in FIRST_METRICS]
