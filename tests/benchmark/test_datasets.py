"""A run on every layout of datasets: what is read, trained on and scored, and what the tables say of it."""

import pandas as pd
import pytest
from click.testing import CliRunner

from echobench.benchmark.cli.main import main
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.data.phantom.echonet import write_phantom_echonet

pytestmark = pytest.mark.usefixtures("tiny")


def invoke(*arguments):
    result = CliRunner().invoke(main, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def echonet(tmp_path_factory):
    return write_phantom_echonet(tmp_path_factory.mktemp("echonet") / "EchoNet-Dynamic", 12, 0)


class TestEchonet:
    @pytest.mark.parametrize("generator", ["real", "warp", "sdm"])
    def test_generators_learn_from_it_and_their_unets_are_scored_on_it(self, echonet, tmp_path, generator):
        settings = resolve(generator=generator, view="4C", data=str(echonet), preset="tiny")
        record, scores = run(settings, tmp_path / "run")
        assert settings.slug().startswith(f"echonet-{generator}-4C")
        assert (record.dataset, record.split_origin) == ("phantom-echonet", "official")
        videos = pd.read_csv(echonet / "FileList.csv").set_index("FileName")
        assert set(videos.loc[sorted(set(scores["patient"])), "Split"]) == {"TEST"}
        assert record.training_images == 2 * (sum(videos["Split"] == "TRAIN") - 1), "one of them was not traced"
        assert set(scores["region"]) == {"LVendo"} and set(scores["metric"]) == {"dice"}
        assert scores["value"].notna().all()

    def test_tables_show_what_there_is(self, echonet, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        invoke(
            "compare", "--data", echonet, "--views", "4C", "--preset", "tiny", "--unet-seeds", 1,
            "--generators", "real,warp", "--out", "out",
        )  # fmt: skip
        (dice,) = (tmp_path / "out").rglob("dice.csv")
        (report,) = tmp_path.rglob("report.html")
        frame, page = pd.read_csv(dice), report.read_text()
        assert frame["LVendo mean"].tolist() == frame["mean mean"].tolist()
        assert frame["LA mean"].isna().all()
        assert "mean: of LVendo." in page and "the mean of LVendo. seed std" in page
