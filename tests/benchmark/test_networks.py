"""A network costs a module and a line: CONTRIBUTING's example is trained, kept, measured in, and has its own table."""

from pathlib import Path

import pytest

from echobench.benchmark.measure.realism.extractors import unet_extractor
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.trial import load_dataset
from echobench.data.base.errors import EchobenchError
from echobench.results.evidence.comparison import Comparison
from echobench.results.records.run import read_record
from echobench.results.report.page import write_report
from echobench.segmentation.networks import NETWORKS
from echobench.segmentation.segmenter import Segmenter

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture
def tiny_network(monkeypatch):
    """The example, in the table of networks."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setitem(NETWORKS, "tiny", "tiny_network")


def settings_for(folder, *assignments):
    return resolve(generator="real", view="4C", data=str(folder), preset="tiny", assignments=assignments)


@pytest.mark.usefixtures("tiny", "tiny_network")
def test_a_network_of_ten_lines_goes_through_a_whole_run(camus_folder, tmp_path):
    usual, chosen = settings_for(camus_folder), settings_for(camus_folder, "unet.network=tiny")
    record, _ = run(chosen, tmp_path / "tiny")
    assert record.settings["unet_settings"]["network"] == "tiny"
    assert any(line.startswith("unet.network: another network: tiny, paper") for line in record.deviations)

    segmenter = Segmenter.load(tmp_path / "tiny" / "stages" / "unet-0.pt")
    assert segmenter.settings.network == "tiny" and len(segmenter.network) == 2
    images = load_dataset(chosen).frames.images
    assert segmenter.predict(images).shape == images.shape
    assert unet_extractor(segmenter).features(images).shape == (len(images), usual.unet_settings.channels[0])
    with pytest.raises(EchobenchError, match="network is tiny there, unet here"):
        Segmenter.load(tmp_path / "tiny" / "stages" / "unet-0.pt", settings=usual.unet_settings)

    run(usual, tmp_path / "usual")
    assert "network" not in read_record(tmp_path / "usual")[0].settings["unet_settings"]
    comparison = Comparison.of([tmp_path / "usual", tmp_path / "tiny"])
    assert len(comparison.groups) == 2
    assert sorted(group.title.rpartition(", ")[2] for group in comparison.groups) == ["network tiny", "network unet"]
    assert "tables of their own: unet.network" in comparison.differences[0]
    assert "network tiny" in write_report(tmp_path, comparison).read_text()


@pytest.mark.usefixtures("tiny")
def test_an_unknown_network_is_refused_with_those_that_there_are(camus_folder):
    with pytest.raises(EchobenchError, match="unknown segmentation network 'tiny'; known: unet"):
        settings_for(camus_folder, "unet.network=tiny")


def test_the_papers_network_goes_unsaid_so_that_runs_of_before_keep_their_folders():
    settings = resolve(generator="warp", view="4C", preset="quick")
    assert "network" not in settings.identity()["unet_settings"]
    assert settings.slug() == "phantom-warp-4C-quick-b143e3e0"
