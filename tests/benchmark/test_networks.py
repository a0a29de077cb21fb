"""A network costs a module and a line: CONTRIBUTING's example is trained, kept, measured in, and has its own table."""

from dataclasses import replace
from pathlib import Path

import pytest

from echobench.benchmark import calls
from echobench.benchmark.cells import compare
from echobench.benchmark.commands import run_command
from echobench.benchmark.measure.realism.extractors import unet_extractor
from echobench.benchmark.measure.verify import verify_folder
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.benchmark.run.trial import load_dataset
from echobench.data.base.errors import EchobenchError
from echobench.results.evidence.comparison import Comparison
from echobench.results.records.run import read_record
from echobench.results.report.page import write_report
from echobench.segmentation.networks import NETWORKS, OWN_SETTINGS
from echobench.segmentation.segmenter import Segmenter
from echobench.segmentation.settings import preset_of

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured"


@pytest.fixture
def tiny_network(monkeypatch):
    """The example, in the table of networks."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setitem(NETWORKS, "tiny", "tiny_network")


def settings_for(folder, *assignments, **asked):
    return resolve(generator="real", view="4C", data=str(folder), preset="tiny", assignments=assignments, **asked)


@pytest.mark.usefixtures("tiny", "tiny_network")
def test_a_network_of_ten_lines_goes_through_a_whole_run(camus_folder, tmp_path):
    usual, chosen = settings_for(camus_folder), settings_for(camus_folder, network="tiny")
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
    assert [group.title.rpartition(", ")[2] for group in comparison.groups] == ["4C", "network tiny"]
    assert Comparison.of([tmp_path / "tiny"]).groups[0].title.endswith(", network tiny"), "even where it stands alone"
    assert "tables of their own: unet.network" in comparison.differences[0]
    assert "network tiny" in write_report(tmp_path, comparison).read_text()


@pytest.mark.usefixtures("tiny")
def test_an_unknown_network_is_refused_with_those_that_there_are(camus_folder):
    with pytest.raises(EchobenchError, match="unknown segmentation network 'tiny'; known: unet, unet-deep"):
        settings_for(camus_folder, "unet.network=tiny")


@pytest.mark.usefixtures("tiny")
def test_the_deep_network_goes_through_a_whole_run_and_its_record_says_how_to_ask_for_it(camus_folder, tmp_path):
    small = "unet.channels=[4,4,8,8]"
    settings = settings_for(camus_folder, small, network="unet-deep")
    record, scores = run(settings, tmp_path)
    assert record.settings["unet_settings"]["network"] == "unet-deep" and "ece" in set(scores["metric"])
    assert Comparison.of([tmp_path]).groups[0].title.endswith(", network unet-deep")
    deviations = [line.partition(":")[0] for line in record.deviations]
    assert {"unet.network", "unet.channels", "unet.leaky_slope"} <= set(deviations)
    assert verify_folder(tmp_path, "out").wrong == ()


def test_a_generator_is_trained_once_for_all_networks():
    names = ["real", "sdm", "flow", "inpaint"]
    cells = compare.plan(Path("runs"), generators=names, networks=["unet", "unet-deep"], preset="quick")
    of = {(cell.settings.generator, cell.settings.unet_settings.network): cell for cell in cells}
    teachers = {which: cell.teacher for which, cell in of.items() if cell.teacher}
    flow, sdm = of["flow", "unet"].folder, of["sdm", "unet"].folder
    assert teachers == {
        ("inpaint", "unet"): flow, ("sdm", "unet-deep"): sdm, ("flow", "unet-deep"): flow,
        ("inpaint", "unet-deep"): flow,
    }  # fmt: skip
    assert len({cell.title for cell in cells}) == len(cells) == 8


@pytest.mark.usefixtures("tiny")
def test_a_comparison_of_two_networks_has_a_table_of_each_and_says_how_alike_their_orders_are(tmp_path):
    asked = {"generators": ["real", "warp", "paint", "sdm"], "networks": ["unet", "unet-deep"], "unet_seeds": 1}
    comparison = calls.compare(
        out=tmp_path, device="cpu", preset="tiny", assignments=["unet.channels=[4,4,8,8]"], **asked
    )
    assert [len(group.runs) for group in comparison.groups] == [4, 4] and not comparison.failures
    assert [group.title.endswith(", network unet-deep") for group in comparison.groups] == [False, True]
    drawn = {run.record.settings["unet_settings"].get("network"): run for g in comparison.groups for run in g.runs
             if run.record.generator == "sdm"}  # fmt: skip
    fits = [next(stage for stage in run.record.stages if stage.name == "fit-4C") for run in drawn.values()]
    assert [stage.taken for stage in fits] == [False, True]
    weights = [run.record.weights_sha256["generator-4C.pt"] for run in drawn.values()]
    assert weights[0] == weights[1]
    assert (tmp_path / "comparison" / "tables" / "networks.csv").is_file()


def test_a_network_has_its_own_settings_unless_others_are_asked_for():
    def unet(*assignments, network=None):
        asked = {"generator": "real", "view": "4C", "preset": "standard", "assignments": assignments}
        return resolve(network=network, **asked).unet_settings

    usual, deep = unet(), unet(network="unet-deep")
    assert deep == preset_of("standard", "unet-deep")
    assert deep == replace(usual, network="unet-deep", **OWN_SETTINGS["unet-deep"])
    assert unet("unet.network=unet-deep") == deep and unet(network="unet") == usual
    assert unet("unet.channels=[8,8,8,8]", network="unet-deep") == replace(deep, channels=(8, 8, 8, 8))
    with pytest.raises(EchobenchError, match="network unet-deep needs 4 levels or more"):
        unet("unet.channels=[8,8,8]", network="unet-deep")
    with pytest.raises(EchobenchError, match="network is there twice"):
        unet("unet.network=unet", network="unet-deep")
    cells = compare.plan(Path(), generators=["real", "warp"], networks=["unet-deep"], preset="standard")
    assert {cell.settings.unet_settings for cell in cells} == {deep}


def test_the_command_of_a_record_names_the_network_and_not_what_follows_from_it():
    record = read_record(MEASURED / "phantom-real-quick")[0]
    deep = preset_of("quick", "unet-deep").as_dict()
    changed = replace(record, settings=record.settings | {"unet_settings": deep})
    assert "--network unet-deep" in run_command(changed)
    assert "--set" not in run_command(changed) and "--network" not in run_command(record)


def test_the_papers_network_goes_unsaid_so_that_runs_of_before_keep_their_folders():
    settings = resolve(generator="warp", view="4C", preset="quick")
    assert "network" not in settings.identity()["unet_settings"]
    assert settings.slug() == "phantom-warp-4C-quick-b143e3e0"
