"""Realism tables: what stands in which cell, and what may not stand in one column."""

import math

import pandas as pd
import pytest
from torch_fidelity.defaults import DEFAULTS

from echobench.benchmark.measure.realism import distances, extractors, measure, memorisation
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256
from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.realism import agreement_with_dice, agreements, copying, realism_column
from echobench.results.records import realism as realism_file
from echobench.results.records.realism import UNMEASURED
from echobench.results.shown import realism
from echobench.results.shown.formats import csv, latex, markdown, shown
from echobench.results.shown.realism import (
    ADHERENCE,
    COPIES,
    FD_UNET,
    HELD_OUT,
    KD_UNET,
    realism_tables,
)
from echobench.results.shown.tables import WHO

REGIONS = ("LVendo", "LVepi", "LVmyo", "LA", "mean")
NO_WEIGHTS = "not computed: no InceptionV3 weights (give --inception FILE)"
PIXELS = {"extractor": "pixels 64×64", "weights_sha256": None, "resize": "block means, 64×64"}


def rows_of(fd=50.0, *, weights="a" * 64, n=40, split="training", flagged=False, inception=None, floor=20.0):
    """A file as `measure` makes it: its columns, and a row of each kind."""
    unet = {"extractor": extractors.UNET, "weights_sha256": weights, "resize": "none", "channels": "grey"}
    subsets = unet | {"n_drawn": n, "n_real": n}
    adherence = {"metric": "adherence", "value": 0.8, "spread": 0.05, "held_out": 0.9, "held_out_spread": 0.02}
    foreign = {"extractor": extractors.INCEPTION, "n_drawn": n, "n_real": n, "weights_sha256": "f" * 64}
    rows = [
        *(adherence | {"region": region, "n_drawn": 800, "n_real": 100} | unet for region in REGIONS),
        {"metric": "FD-UNet", "value": fd, "spread": 5.0, "held_out": floor, "held_out_spread": 4.0} | subsets,
        {"metric": "KD-UNet", "value": 2 * fd, "spread": 1.0, "held_out": 3.0, "held_out_spread": 1.0} | subsets,
        {"metric": "precision", "value": 0.75, "spread": 0.1, "held_out": 0.9, "held_out_spread": 0.1} | subsets,
        {"metric": "FID", "value": inception, "note": "" if inception else NO_WEIGHTS} | foreign,
        {"metric": "precision", "value": inception and 0.25} | foreign,
        {"metric": "memorised", "value": 0.06, "held_out": 0.01, "n_drawn": 800, "n_real": 700} | unet,
        {"metric": "memorised", "value": 0.002, "held_out": 0.01, "flagged": flagged, "n_real": 700} | PIXELS,
        {"metric": "diversity of features", "value": 0.4, "spread": 0.1, "n_drawn": 32, "n_real": 700} | unet,
    ]  # fmt: skip
    table = pd.DataFrame(rows).reindex(columns=list(measure.COLUMNS)).assign(reference_split=split)
    return table.assign(region=table["region"].fillna(""), flagged=table["flagged"].eq(True))


@pytest.fixture
def add_measured(add_run):
    """Write a run with its realism.csv: `add_measured(generator, mean Dice, rows, name=)`."""

    def add(generator, dice, rows=None, name=None, **kept):
        folder = add_run(
            generator, {"a": dice, "b": dice - 0.02}, name=name, settings={"seed": 0 if name is None else len(name)}
        )
        if rows is not None:
            of_run = {"scores_sha256": file_sha256(folder / "scores.csv")} | kept
            rows.assign(**of_run).to_csv(folder / "realism.csv", index=False)
        return folder

    return add


def group_of(*folders):
    (group,) = Comparison.of(folders).groups
    return group


def row(table, who):
    chosen = table.frame[table.frame[WHO] == who]
    assert len(chosen) == 1
    return chosen.iloc[0]


def by_name(group):
    return {table.name: table for table in realism_tables(group)}


def test_the_file_is_what_the_measurement_writes():
    assert realism_file.REALISM.columns == measure.COLUMNS
    assert extractors.UNET.startswith(realism_file.UNET) and extractors.INCEPTION.startswith(realism_file.INCEPTION)
    assert measure._BLOCKS["extractor"].startswith(realism_file.PIXELS)
    assert f"coverage ({distances.NEIGHBOURS})" in realism._FRECHET
    assert f"({DEFAULTS['prc_neighborhood']} neighbours)" in realism._FRECHET
    for said in (
        f"the {memorisation.NEIGHBOURS} nearest", f"all but {memorisation.PERCENTILE:g} %",
        f"more than {100 * memorisation.SHARE:g} %", f"p < {memorisation.P_VALUE:g}",
    ):  # fmt: skip
        assert said in realism._FLAGGED


def test_numbers_stand_beside_those_of_held_out_frames(add_measured):
    group = group_of(add_measured("real", 0.9), add_measured("sdm", 0.8, rows_of()))
    tables = by_name(group)
    assert list(tables) == ["realism", "adherence", "copies"]
    summary = tables["realism"]
    assert row(summary, "sdm")["FD-UNet mean"] == 50 and row(summary, "sdm")["FD-UNet std"] == 5
    assert row(summary, "sdm")["KD-UNet mean"] == 100
    assert row(summary, "sdm")["precision mean"] == 0.75  # the U-Net's, not InceptionV3's
    assert row(summary, "sdm")["adherence mean"] == pytest.approx(80)
    assert row(summary, "sdm")[COPIES] == "no"
    assert row(summary, HELD_OUT)["FD-UNet mean"] == 20
    assert row(summary, HELD_OUT)["adherence std"] == pytest.approx(2)
    assert math.isnan(row(summary, HELD_OUT)["diversity of features mean"])
    assert row(tables["adherence"], "sdm")["LVmyo mean"] == pytest.approx(80)
    assert row(tables["copies"], "sdm")["copies by pixels mean"] == pytest.approx(0.2)
    assert "real" not in set(summary.frame[WHO])


def test_captions_name_extractor_weights_n_split_and_how_images_were_fed(add_measured):
    tables = by_name(group_of(add_measured("sdm", 0.8, rows_of())))
    for said in ("echobench-unet aaaaaaaa", "resize none, grey", "n = 40 drawn and 40 real", "training split"):
        assert said in tables["realism"].caption
    assert f"FID and KID: {NO_WEIGHTS}." in tables["realism"].notes
    assert "FID" not in shown(tables["realism"])


def test_tables_come_out_as_text(add_measured):
    for table in realism_tables(group_of(add_measured("sdm", 0.8, rows_of(inception=30.0)))):
        assert "sdm" in markdown(table) and "sdm" in latex(table) and "sdm" in csv(table)
    assert shown(by_name(group_of(add_measured("paint", 0.8, rows_of())))["realism"])["FD-UNet"][0] == "50.0 ± 5.0"


@pytest.mark.parametrize("other", [{"weights": "b" * 64}, {"n": 39}, {"split": "testing"}])
def test_what_was_measured_on_other_terms_has_no_column_in_common(add_measured, other):
    group = group_of(
        add_measured("sdm", 0.8, rows_of(50)), add_measured("warp", 0.9, rows_of(60)),
        add_measured("paint", 0.7, rows_of(70, **other)),
    )  # fmt: skip
    first, second = (table for table in realism_tables(group) if table.name.startswith("realism"))
    assert {first.name, second.name} == {"realism-1", "realism-2"}
    assert sorted(map(len, (set(first.frame[WHO]), set(second.frame[WHO])))) == [2, 3]
    column = realism_column(group, FD_UNET)
    assert column.dropna().to_dict() == {"sdm": 50, "warp": 60} and math.isnan(column["paint"])


def test_inceptions_numbers_have_a_table_of_their_own_where_its_weights_were(add_measured):
    group = group_of(add_measured("sdm", 0.8, rows_of(inception=31.0)), add_measured("paint", 0.7, rows_of()))
    tables = by_name(group)
    assert (
        row(tables["inception"], "sdm")["FID mean"] == 31 and row(tables["inception"], "sdm")["precision mean"] == 0.25
    )
    assert "paint" not in set(tables["inception"].frame[WHO])
    assert {"sdm", "paint"} < set(tables["realism"].frame[WHO])
    assert f"FID and KID of paint: {NO_WEIGHTS}." in tables["realism"].notes


def test_floors_of_other_subsets_are_rows_of_their_own(add_measured):
    group = group_of(add_measured("sdm", 0.8, rows_of()), add_measured("paint", 0.7, rows_of(floor=21.0)))
    summary = by_name(group)["realism"]
    assert row(summary, f"{HELD_OUT}, beside sdm")["FD-UNet mean"] == 20
    assert row(summary, f"{HELD_OUT}, beside paint")["FD-UNet mean"] == 21


def test_a_generator_that_copies_is_flagged(add_measured):
    group = group_of(add_measured("sdm", 0.8, rows_of(flagged=True)), add_measured("paint", 0.7, rows_of()))
    tables = by_name(group)
    assert row(tables["realism"], "sdm")[COPIES] == "flagged" and row(tables["realism"], "paint")[COPIES] == "no"
    assert row(tables["copies"], "sdm")["flagged"] == "by pixels"
    assert copying(group) == ["sdm"]


def test_who_was_not_measured_is_a_row_with_the_reason(add_measured, add_failure):
    why = pd.DataFrame([{"metric": UNMEASURED, "note": "too few frames"}])
    group = group_of(
        add_measured("sdm", 0.8, rows_of()), add_measured("warp", 0.8), add_measured("paint", 0.7, why),
        add_failure("cyclegan", "the disk is full"),
    )  # fmt: skip
    summary = by_name(group)["realism"]
    assert row(summary, "warp")[UNMEASURED] == "no realism.csv in the run's folder"
    assert row(summary, "paint")[UNMEASURED] == "too few frames"
    assert "the disk is full" in row(summary, "cyclegan")[UNMEASURED]
    assert row(summary, "warp").drop([WHO, UNMEASURED]).isna().all()


def test_no_table_where_nothing_was_measured(add_measured):
    assert realism_tables(group_of(add_measured("real", 0.9), add_measured("sdm", 0.8))) == []


@pytest.mark.parametrize("content", ["", "metric,value\nFD-UNet,3\n", "nonsense\n1\n"])
def test_a_damaged_file_says_what_to_do(add_measured, content):
    folder = add_measured("sdm", 0.8)
    (folder / "realism.csv").write_text(content)
    with pytest.raises(EchobenchError, match=r"realism\.csv is damaged; delete it"):
        realism_tables(group_of(folder))


def test_distance_and_dice_are_held_against_each_other_without_real(add_measured):
    names = ("sdm", "warp", "paint", "cyclegan", "folder:x")
    folders = [add_measured(name, 0.9 - 0.05 * i, rows_of(50 + i)) for i, name in enumerate(names)]
    group = group_of(add_measured("real", 0.95, rows_of(0.0)), *folders)
    found = agreement_with_dice(group, FD_UNET)
    assert (found.n, found.rho) == (5, pytest.approx(-1)) and found.p == pytest.approx(2 / 120)
    assert "real" not in realism_column(group, KD_UNET)
    by_distance, _, by_adherence = agreements(group)
    assert by_distance.startswith("FD-UNet goes against Dice") and "−1 is full agreement" in by_distance
    assert by_adherence.startswith("adherence or Dice is the same")
    assert realism_column(group, ADHERENCE).tolist() == pytest.approx([80] * 5)


def test_runs_of_one_generator_are_no_generators_of_their_own(add_measured):
    names = ("sdm", "warp", "paint", "cyclegan", "fifth")
    folders = [add_measured(name, 0.9 - 0.05 * i, rows_of(50 + i)) for i, name in enumerate(names)]
    found = agreement_with_dice(group_of(*folders, add_measured("sdm", 0.6, rows_of(90), name="sdm-again")), FD_UNET)
    assert math.isnan(found.rho) and found.statement.startswith("sdm with several runs")


def test_what_was_measured_of_another_run_is_not_shown(add_measured):
    group = group_of(add_measured("sdm", 0.8, rows_of(), scores_sha256="0" * 64), add_measured("warp", 0.8, rows_of()))
    summary = by_name(group)["realism"]
    assert "not of the run in the record" in row(summary, "sdm")[UNMEASURED]
    assert math.isnan(row(summary, "sdm")["FD-UNet mean"])


def test_too_few_generators_are_said_to_be(add_measured):
    group = group_of(add_measured("sdm", 0.8, rows_of()), add_measured("paint", 0.7, rows_of(60)))
    assert agreements(group)[0].startswith("2 generators are too few to say whether FD-UNet goes with Dice")
