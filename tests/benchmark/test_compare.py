"""`compare`: cells, what happens to one that fails, and what is written."""

import re
from pathlib import Path
from types import SimpleNamespace

import click
import pandas as pd
import pytest
from click.testing import CliRunner

from echobench.benchmark.cells.compare import TABLE_1, carry_out, compare, found_runs, plan
from echobench.benchmark.cli.console import print_table
from echobench.benchmark.cli.entry import main
from echobench.benchmark.run import trial
from echobench.data.base.errors import EchobenchError
from echobench.generators.paint import Paint
from echobench.results.records.patients import PATIENTS
from echobench.results.records.realism import CURVES, REALISM
from echobench.results.records.run import read_record
from echobench.results.shown.formats import Table, shown

pytestmark = pytest.mark.usefixtures("tiny")


def cells_in(folder, **changes):
    return plan(folder, **({"preset": "tiny", "unet_seeds": 2, "generators": ["real", "paint"]} | changes))


@pytest.fixture
def finished(tmp_path):
    cells = cells_in(tmp_path)
    carry_out(cells, "cpu")
    return cells


def test_default_cells(tmp_path):
    cells = plan(tmp_path, preset="tiny")
    assert [cell.settings.generator for cell in cells] == ["real", "warp", "sdm", "cyclegan", "paint"]
    assert {cell.settings.view for cell in cells} == {"4C"}
    assert all(cell.settings.unet_seeds == (0, 1, 2) for cell in cells)
    assert len({cell.folder for cell in cells}) == 5
    both = plan(tmp_path, preset="tiny", generators=["real"], views=["4C", "2C"], phases=["ED", "ES"])
    assert [(c.settings.view, c.settings.phase) for c in both] == [
        ("4C", "ED"),
        ("4C", "ES"),
        ("2C", "ED"),
        ("2C", "ES"),
    ]


def test_all_generators_are_taken_by_kind_and_no_folder(tmp_path):
    cells = plan(tmp_path, preset="quick", generators=["all"])
    expected = ["real", "warp", "paint", "cyclegan", "spade", "flow", "inpaint", "sdm"]
    assert [cell.settings.generator for cell in cells] == expected
    taught = {cell.settings.generator: cell.teacher for cell in cells if cell.teacher}
    assert taught == {"inpaint": cells[5].folder}, "what both would learn is learnt once"
    assert not any(cell.teacher for cell in plan(tmp_path, preset="quick", generators=["inpaint", "sdm"]))


def test_the_papers_table_1(tmp_path):
    cells = plan(tmp_path, preset="paper")
    rows = [(cell.settings.generator, cell.settings.view, cell.settings.phase) for cell in cells]
    assert rows == list(TABLE_1)
    assert rows[:4] == [("sdm", "4C", "ED"), ("sdm", "4C", "ES"), ("sdm", "2C", "ED"), ("sdm", "2C", "ES")]
    assert len(plan(tmp_path, preset="paper", generators=["real"])) == 1


@pytest.mark.usefixtures("whole_figures")
def test_tables_figures_and_nothing_twice(finished, tmp_path, monkeypatch):
    comparison = compare([cell.folder for cell in finished], tmp_path / "out")
    assert [run.label for run in comparison.groups[0].runs] == ["real", "paint"]
    written = {path.name for path in (tmp_path / "out").rglob("*.*")}
    assert {"dice.csv", "dice.md", "dice.tex", "evidence.csv", "cost.csv", "dice.png", "cost.png"} <= written
    assert "table-1.csv" not in written  # the paper has no phantom
    evidence = pd.read_csv(next((tmp_path / "out").rglob("evidence.csv")))
    assert list(evidence["first"]) == ["real"] and list(evidence["second"]) == ["paint"]
    before = {cell.folder: (cell.folder / "run.json").stat().st_mtime_ns for cell in finished}
    carry_out(cells_in(tmp_path), "cpu")
    assert {cell.folder: (cell.folder / "run.json").stat().st_mtime_ns for cell in finished} == before


def test_all_that_is_measured_of_several_runs_reads_their_frames_once(finished, monkeypatch):
    beside = {name: [(cell.folder / name).read_bytes() for cell in finished] for name in (REALISM.name, PATIENTS.name)}
    for cell in finished:
        for name in beside:
            (cell.folder / name).unlink()
    asked, read = [], trial.read_dataset
    monkeypatch.setattr(trial, "read_dataset", lambda *where, **how: asked.append(where) or read(*where, **how))
    carry_out(finished, "cpu", executor=SimpleNamespace(carry_out=lambda *cells: None))  # they are carried out
    assert len(asked) == 1
    assert beside == {name: [(cell.folder / name).read_bytes() for cell in finished] for name in beside}
    trial.load_dataset(finished[0].settings)
    assert len(asked) == 2, "afterwards nothing is kept"


def test_realism_and_ejection_fraction_stand_beside_the_record(finished):
    for cell in finished:
        table = pd.read_csv(cell.folder / "realism.csv")
        assert "metric" in table and len(table)
        assert len(pd.read_csv(cell.folder / "ejection.csv"))


def test_realism_is_measured_once_and_anew_for_another_number_of_images(tmp_path, make_camus, make_frames):
    data = make_camus(tmp_path / "camus", make_frames(30), (20, 8, 2))
    cells = cells_in(tmp_path / "runs", data=str(data), unet_seeds=1)
    carry_out(cells, "cpu")
    record = read_record(cells[1].folder)[0]
    rows, curves = (table.read(cells[1].folder).set_index("metric") for table in (REALISM, CURVES))
    assert rows.loc["FD-UNet∞", "n_drawn"] == record.training_images == 40
    assert rows.loc["FWD", ["n_drawn", "n_real"]].tolist() == [40, 16]
    assert {"grey values", "signal to noise", "membership"} <= set(rows.index)
    assert curves.groupby("whose")["n"].max().to_dict() == {"drawn": 40, "real": 40}
    written = (cells[1].folder / "realism.csv").stat().st_mtime_ns
    carry_out(cells, "cpu")
    assert (cells[1].folder / "realism.csv").stat().st_mtime_ns == written
    carry_out(cells, "cpu", fid_images=14)
    assert REALISM.read(cells[1].folder).set_index("metric").loc["FD-UNet∞", "n_drawn"] == 14
    compare([cell.folder for cell in cells], tmp_path / "out")
    written = {path.name for path in (tmp_path / "out").rglob("*.*")}
    assert {"overview.tex", "speckle.csv", "number.png", "number.pdf"} <= written
    with pytest.raises(EchobenchError, match="FID takes 4 images or more, not 3"):
        carry_out(cells, "cpu", fid_images=3)


def test_a_cell_that_fails_is_a_row_with_its_reason(tmp_path, monkeypatch):
    def broken(self, *arguments, **named):
        raise EchobenchError("the paint has dried")

    with monkeypatch.context() as patch:
        patch.setattr(Paint, "sample", broken)
        cells = cells_in(tmp_path, unet_seeds=1)
        carry_out(cells, "cpu")
    comparison = compare([cell.folder for cell in cells], tmp_path / "out")
    group = comparison.groups[0]
    assert [run.label for run in group.runs] == ["real"]
    assert "the paint has dried" in group.failures[0].reason
    assert "the paint has dried" in next((tmp_path / "out").rglob("dice.md")).read_text()
    carry_out(cells, "cpu")  # the same command once the cause is gone
    assert len(compare([cell.folder for cell in cells], tmp_path / "out").groups[0].runs) == 2


def test_bad_names_are_refused_before_anything_runs(tmp_path):
    with pytest.raises(EchobenchError, match="unknown generator 'vae'"):
        cells_in(tmp_path, generators=["real", "vae"])
    with pytest.raises(EchobenchError, match="unknown view '3C'"):
        cells_in(tmp_path, views=["3C"])
    assert not list(tmp_path.iterdir())


def test_unfit_inception_weights_are_refused_before_anything_runs(tmp_path):
    with pytest.raises(EchobenchError, match=r"there is no file .*weights.pth"):
        carry_out(cells_in(tmp_path), "cpu", inception=tmp_path / "weights.pth")
    assert not list(tmp_path.iterdir())


def test_finds_runs_in_a_folder_of_them(finished, tmp_path):
    assert set(found_runs([tmp_path])) == {cell.folder for cell in finished}
    assert found_runs([finished[0].folder]) == [finished[0].folder]
    (tmp_path / "empty").mkdir()
    with pytest.raises(EchobenchError, match=r"there is no run in .*empty"):
        found_runs([tmp_path / "empty"])


def test_command_line_tabulates_records(finished, tmp_path):
    result = CliRunner().invoke(main, ["compare", "--runs", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    for text in ("real", "paint", "Mean Dice in %", "report.html", "comparison"):
        assert text in result.output


@pytest.mark.usefixtures("whole_figures")
def test_command_line_from_nothing_to_the_pictures(tmp_path):
    arguments = ["--preset", "tiny", "--generators", "real,paint", "--unet-seeds", "1", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, ["compare", *arguments])
    assert result.exit_code == 0, result.output
    assert "paint is the only generator here" in result.output
    places = dict(line.split(": ") for line in result.stdout.splitlines()[-3:])
    assert list(places) == ["report", "picture", "all tables and figures"]
    assert all(Path(place).exists() for place in places.values())
    assert len(re.findall("─{20,}", result.stdout)) == 1, "one table"
    pictures = tmp_path / "comparison" / "pictures" / "4C-all"
    assert {path.name for path in pictures.glob("*.png")} == {"panel.png", "panel-contours.png", "worst-cases.png"}
    assert "fieldset" in (tmp_path / "comparison" / "report.html").read_text()  # the panel's chooser


def test_every_cell_of_a_printed_table_is_there(capsys, monkeypatch):
    for columns in ("40", "80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        names = {f"a rather long name of column {i}": [123456.0 + i, 1e6 + i] for i in range(12)}
        table = Table("name", "caption", pd.DataFrame({"trained on": ["sdm (steps 5,000)", "real"]} | names))
        print_table(table)
        printed = capsys.readouterr().out
        texts = shown(table)
        for text in (*texts.columns, *texts.to_numpy().ravel()):
            assert all(word in printed for word in text.split())
        assert max(map(len, printed.splitlines())) <= int(columns)


def test_where_nothing_finished_the_reason_is_printed(camus_folder, tmp_path):
    arguments = ["--generators", "real", "--views", "2C", "--data", str(camus_folder), "--out", str(tmp_path / "runs")]
    result = CliRunner().invoke(main, ["compare", *arguments])
    assert result.exit_code == 1 and "there are no 2C frames" in result.output
    assert "none of the runs has finished" in result.output


def test_bad_options_exit_with_1():
    for arguments in (["run"], ["run", "--generator", "real", "--strength", "x"], ["run", "--typo"]):
        assert CliRunner().invoke(main, arguments).exit_code == 1
    assert click.UsageError("of another program").exit_code == 2


def test_no_cell_of_a_printed_table_is_cut(finished, tmp_path):
    for columns in ("40", "300"):
        result = CliRunner().invoke(
            main, ["compare", "--runs", str(tmp_path), "--out", str(tmp_path / "out")], env={"COLUMNS": columns}
        )
        assert result.exit_code == 0, result.output
        assert "…" not in result.output and "s per image" in result.output
        words = result.output.partition("all tables and figures: ")[0].partition("report: ")[0]  # paths stay whole
        assert max(map(len, words.splitlines())) <= int(columns)


def test_report_of_a_folder_of_runs(finished, tmp_path):
    result = CliRunner().invoke(main, ["report", str(tmp_path), "--out", str(tmp_path / "page")])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "page" / "report.html").read_text()
    assert "paint" in page and "Holm" in page
