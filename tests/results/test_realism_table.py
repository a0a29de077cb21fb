"""Realism tables: what stands in which cell, and what may not stand in one column."""

import math
from pathlib import Path

import pandas as pd
import pytest
from torch_fidelity.defaults import DEFAULTS

from echobench.benchmark.cli.console import print_end
from echobench.benchmark.measure.realism import (
    appearance,
    distances,
    extractors,
    measure,
    memorisation,
    radiomics,
    speckle,
    whole,
)
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256
from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.realism import (
    FD_UNET_INFINITY,
    GREY_VALUES,
    SPECKLE,
    agreement_with_dice,
    agreements,
    copying,
    judged_column,
    realism_column,
)
from echobench.results.records import realism as realism_file
from echobench.results.records.realism import UNMEASURED, read_realism
from echobench.results.report.ends import compare_end
from echobench.results.shown import realism
from echobench.results.shown.agreement import agreement_figure, agreement_tables, number_figure
from echobench.results.shown.formats import NOTHING, csv, latex, markdown, shown
from echobench.results.shown.overview import GET_FID, overview_markdown, overview_table
from echobench.results.shown.palette import look
from echobench.results.shown.readme import figures, with_tables
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
NO_WEIGHTS = measure.NO_INCEPTION
PIXELS = {"extractor": "pixels 64×64", "weights_sha256": None, "resize": "block means, 64×64"}


def rows_of(fd=50.0, *, weights="a" * 64, n=40, split="training", flagged=False, inception=None, floor=20.0, more=()):
    """A file as earlier versions made it: its columns, and a row of each kind; more: rows that came later."""
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
    table = pd.DataFrame(rows + list(more)).reindex(columns=list(measure.COLUMNS)).assign(reference_split=split)
    return table.assign(region=table["region"].fillna(""), flagged=table["flagged"].eq(True))


def later_rows(fwd=1.5, snr=3.0):
    """What files of before have not."""
    images = {"n_drawn": 700, "n_real": 100, "channels": "grey", "resize": "none"}
    unet = {"extractor": extractors.UNET, "weights_sha256": "a" * 64}
    pixels = images | {"extractor": "pixels"}
    return [
        {"metric": "FD-UNet∞", "value": 33.0, "spread": 2.0, "held_out": 11.0, "held_out_spread": 1.0} | images | unet,
        {"metric": "FWD", "value": fwd, "held_out": 0.5, "extractor": appearance.WAVELETS} | images,
        *(
            {"metric": "grey values", "region": region, "value": 12.5, "held_out": 2.5} | pixels
            for region in speckle.GREY_REGIONS
        ),
        *(
            {"metric": "signal to noise", "region": region, "value": snr, "held_out": 2.0, "spread": 0.5} | pixels
            for region in (speckle.BLOOD, speckle.WALL)
        ),
        {"metric": "membership", "value": 0.625, "low": 0.5, "high": 0.75, "n_drawn": 800, "n_real": 700} | unet,
    ]


@pytest.fixture
def add_measured(add_run):
    """Write a run with its realism.csv: `add_measured(generator, mean Dice, rows, name=, settings=)`."""

    def add(generator, dice, rows=None, name=None, settings=None, **kept):
        settings = settings or {"seed": 0 if name is None else len(name)}
        folder = add_run(generator, {"a": dice, "b": dice - 0.02}, name=name, settings=settings)
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
    assert realism_file.CURVES.columns == whole.CURVE_COLUMNS
    assert f"FD-UNet{whole.INFINITY}" == realism_file.OF_ALL == FD_UNET_INFINITY.metric
    assert appearance.WAVELETS.startswith(realism_file.WAVELETS)
    assert radiomics.PACKAGES[0] == realism_file.RADIOMICS
    assert {quantity.region for quantity in GREY_VALUES} == set(speckle.GREY_REGIONS)
    assert [quantity.region for quantity in SPECKLE[:2]] == [speckle.BLOOD, speckle.WALL]
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


def test_the_end_of_a_comparison_explains_the_distances_that_it_has(add_measured):
    (part,) = compare_end(Comparison.of([add_measured("sdm", 0.8, rows_of())]), {"all": Path()}).parts
    assert "interval. FD-UNet: distances from real frames. adherence: Dice" in part.table.caption


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


def test_what_came_later_has_its_columns_and_a_dash_in_files_of_before(add_measured):
    group = group_of(add_measured("sdm", 0.8, rows_of(more=later_rows())), add_measured("warp", 0.9, rows_of()))
    tables = by_name(group)
    summary, copies = tables["realism"], shown(tables["copies"]).set_index(WHO)
    assert row(summary, "sdm")["FWD mean"] == 1.5 and row(summary, HELD_OUT)["FWD mean"] == 0.5
    assert shown(summary).set_index(WHO)["FWD"].to_dict() == {"sdm": "1.5", "warp": NOTHING, HELD_OUT: "0.5"}
    assert shown(summary).set_index(WHO)["FD-UNet∞"]["sdm"] == "33.0 ± 2.0"
    assert (copies["membership by features"]["sdm"], copies["membership by features"]["warp"]) == ("0.62", NOTHING)
    assert copies["membership by features 95 %"]["sdm"] == "0.50 to 0.75"
    speckles = tables["speckle"]
    assert set(speckles.frame[WHO]) == {"sdm", HELD_OUT}
    assert row(speckles, "sdm")["grey LA mean"] == 12.5 and row(speckles, HELD_OUT)["SNR wall mean"] == 2
    assert "$\\infty$" in latex(summary)


def test_the_radiomic_distance_has_columns_and_a_note_only_where_somebody_measured_it(add_measured):
    of_frd = {"metric": "FRD", "value": -1.5, "held_out": -3.0, "extractor": "frd-score 1.0.1", "n_drawn": 700}
    failed = of_frd | {"value": None, "held_out": None, "note": "not computed: frd-score ended with an error"}
    with_frd = add_measured("sdm", 0.8, rows_of(more=[*later_rows(), of_frd | {"n_real": 100}]))
    without = add_measured("warp", 0.9, rows_of(more=[failed])), add_measured("paint", 0.7, rows_of())
    group = group_of(with_frd, *without)
    summary, whole = by_name(group)["realism"], overview_table(group)
    expected = {"sdm": "-1.50", "warp": NOTHING, "paint": NOTHING, HELD_OUT: "-3.00"}
    for table in (summary, whole):
        assert shown(table).set_index(WHO)["FRD"].to_dict() == expected
    said = [note for note in summary.notes if note.startswith("FRD")]
    assert len(said) == 2 and realism._FRD in said[0] and "ended with an error" in said[1]
    assert any("FRD 700 × 100" in note for note in whole.notes)
    before = group_of(without[1])
    for table in (by_name(before)["realism"], overview_table(before)):
        assert "FRD" not in shown(table) and not any("FRD" in note for note in table.notes)


def test_files_of_before_are_read_as_they_were_written(add_measured):
    folder = add_measured("sdm", 0.8)
    old = [name for name in measure.COLUMNS if name not in ("low", "high")]
    rows_of()[old].assign(scores_sha256=file_sha256(folder / "scores.csv")).to_csv(folder / "realism.csv", index=False)
    tables = by_name(group_of(folder))
    assert row(tables["realism"], "sdm")["FD-UNet mean"] == 50
    assert not any("membership" in name for name in shown(tables["copies"]))
    assert not realism_file.is_measured(folder, file_sha256(folder / "scores.csv"), {"a" * 64}, 800)


def test_a_file_is_measured_anew_for_other_networks_or_another_number_of_images(add_measured):
    folder = add_measured("sdm", 0.8, rows_of(more=later_rows()))
    scores = file_sha256(folder / "scores.csv")
    assert realism_file.is_measured(folder, scores, {"a" * 64}, 700)
    assert not realism_file.is_measured(folder, scores, {"a" * 64}, 699)
    assert not realism_file.is_measured(folder, scores, {"e" * 64}, 700)
    assert realism_file.is_measured(folder, scores, {appearance.WAVELETS}, 700)
    assert not realism_file.is_measured(folder, scores, {"frd-score 1.0.1, pyradiomics 3.0.1"}, 700)
    assert not realism_file.is_measured(folder, "0" * 64, {"a" * 64}, 700)


NAMES = ("sdm", "warp", "paint", "cyclegan", "folder:x")


def test_distance_and_dice_are_held_against_each_other_without_real(add_measured):
    folders = [add_measured(name, 0.9 - 0.05 * i, rows_of(50 + i)) for i, name in enumerate(NAMES)]
    group = group_of(add_measured("real", 0.95, rows_of(0.0)), *folders)
    found = agreement_with_dice(group, FD_UNET)
    assert (found.n, found.rho, found.low, found.high) == pytest.approx((5, -1, -1, -1))
    assert found.p == pytest.approx(2 / 120) and found.sign == -1
    assert "real" not in realism_column(group, KD_UNET)
    by_distance, by_kernel, *others = agreements(group)
    assert by_distance.startswith("FD-UNet goes against Dice") and "−1 is full agreement" in by_distance
    assert by_kernel.startswith("KD-UNet goes against Dice")
    assert any(one.startswith("adherence or Dice is the same") for one in others)
    assert realism_column(group, ADHERENCE).tolist() == pytest.approx([80] * 5)


def test_what_should_be_as_in_real_frames_is_held_against_dice_by_how_far_it_is_off(add_measured):
    ratios = (2.1, 1.7, 2.5, 1.2, 3.0)  # real frames have 2: the worse the Dice, the further off, on either side
    folders = [
        add_measured(name, 0.9 - 0.05 * i, rows_of(more=later_rows(snr=ratio)))
        for i, (name, ratio) in enumerate(zip(NAMES, ratios, strict=True))
    ]
    group, wall = group_of(*folders), SPECKLE[1]
    assert judged_column(group, wall, read_realism(group.runs)[0]).reindex(NAMES).tolist() == pytest.approx(
        [0.1, 0.3, 0.5, 0.8, 1.0]
    )
    assert agreement_with_dice(group, wall).rho == pytest.approx(-1)
    (table,) = agreement_tables(group)
    of_wall = table.frame.set_index("number").loc["SNR wall (difference from real)"]
    assert (of_wall["good"], of_wall["ρ"], of_wall["runs"]) == ("low", -1, 5)
    assert any(one.startswith("SNR wall (difference from real) goes against Dice") for one in agreements(group))


def test_runs_of_one_generator_are_no_generators_of_their_own(add_measured):
    names = ("sdm", "warp", "paint", "cyclegan", "fifth")
    folders = [add_measured(name, 0.9 - 0.05 * i, rows_of(50 + i)) for i, name in enumerate(names)]
    found = agreement_with_dice(group_of(*folders, add_measured("sdm", 0.6, rows_of(90), name="sdm-again")), FD_UNET)
    assert found.rho == pytest.approx(-1) and math.isnan(found.p)
    assert found.statement.endswith("6 runs of 5 generators")
    four = agreement_with_dice(group_of(*folders[:4], folders[0].parent / "sdm-again"), FD_UNET)
    assert math.isnan(four.rho) and four.statement.startswith("4 generators are too few")


@pytest.fixture
def checkpoints(add_measured):
    """Four generators and `sdm`, which was trained for three lengths and draws with two samplers: nearer, better."""
    folders = [add_measured(name, 0.88 - 0.05 * i, rows_of(50 + 10 * i)) for i, name in enumerate(NAMES[1:])]
    for i, (steps, sampler) in enumerate(((20000, "ddim"), (20000, "ancestral"), (5000, "ddim"), (300, "ddim"))):
        drawn = {"training": {"steps": steps}, "sampling": {"steps": 20, "sampler": sampler}}
        settings, name = {"generator_settings": drawn}, f"camus-{sampler}-{steps}"
        folders.append(add_measured("sdm", 0.86 - 0.05 * i, rows_of(54 + 10 * i), name=name, settings=settings))
    return folders


def test_trainings_and_samplers_of_a_generator_are_points_of_their_own(checkpoints, small_texts):
    group = group_of(*checkpoints)
    found = agreement_with_dice(group, FD_UNET)
    assert (found.n, found.rho, found.low, found.high) == pytest.approx((8, -1, -1, -1))
    assert found.statement.endswith("8 runs of 5 generators") and math.isnan(found.p) and found.sign == -1
    figure = agreement_figure(group)
    (axes,) = (axes for axes in figure.axes if axes.get_title().startswith("FD-UNet\n"))
    points = {line.get_label(): line for line in axes.lines if len(line.get_xdata()) == 1}
    lengths = [f"sdm (steps {steps})" for steps in (300, 5000, 20000)]
    assert {*lengths, "sdm (steps 20000, sampler ancestral)"} == {one for one in points if "sdm" in one}
    assert {text.get_text() for text in figure.legends[0].texts} == points.keys()
    assert len({line.get_markerfacecolor() for name, line in points.items() if "sdm" in name}) == 4
    assert {line.get_markeredgecolor() for name, line in points.items() if "sdm" in name} == {look("sdm").colour}
    (joined,) = (line for line in axes.lines if len(line.get_xdata()) > 1)
    assert [*joined.get_xdata()] == [*(points[name].get_xdata()[0] for name in lengths)], "one sampler, by its training"
    assert not small_texts(figure)


def test_records_of_curves_and_sweeps_count_in_the_page_once_they_are_measured(checkpoints, tmp_path):
    measured = tmp_path / "measured"
    for folder in checkpoints:
        inside = "camus-minutes" if folder.name.startswith("camus") else "."
        name = folder.name if folder.name.startswith("camus") else f"camus-{folder.name}"
        (measured / inside).mkdir(parents=True, exist_ok=True)
        folder.rename(measured / inside / name)
    (measured / "camus-evaluations").mkdir()
    (measured / "camus-evaluations" / "again").symlink_to(measured / "camus-minutes" / "camus-ddim-20000")
    page = with_tables("<!-- agreement: camus -->\n<!-- end -->\n", measured)
    assert "- FD-UNet goes against Dice: Spearman's ρ = -1.00" in page and "8 runs of 5 generators" in page
    drawn = figures(measured)[measured / "camus-agreement.png"]
    assert "sdm (steps 300)" in {text.get_text() for text in drawn.legends[0].texts}
    for name in ("300", "5000", "20000"):
        (measured / "camus-minutes" / f"camus-ddim-{name}" / "realism.csv").unlink()
    page = with_tables("<!-- agreement: camus -->\n<!-- end -->\n", measured)
    assert "FD-UNet goes against Dice" in page and "p = 0.017, 5 generators" in page, (
        "what was not measured has no part"
    )


def test_figures_of_agreement_and_of_the_number_of_images(add_measured, small_texts):
    folders = [add_measured(name, 0.9 - 0.05 * i, rows_of(50 + i)) for i, name in enumerate(NAMES)]
    group = group_of(*folders)
    figure = agreement_figure(group)
    titles = [axes.get_title() for axes in figure.axes if axes.has_data()]
    assert titles[0] == "FD-UNet\nρ −1.00 (−1.00 to −1.00)" and not small_texts(figure)
    assert number_figure(group) is None
    n = pd.DataFrame({"n": [50, 60, 80, 100]})
    curves = n.assign(distance=20 + 100 / n["n"], metric="FD-UNet", n_real=90, extractor="u", weights_sha256="a")
    both = pd.concat([curves.assign(whose="drawn"), curves.assign(whose="real", distance=2.0)])
    realism_file.CURVES.write(folders[0], file_sha256(folders[0] / "scores.csv"), both)
    (axes,) = number_figure(group).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["sdm"].get_xydata()[-1] == pytest.approx((1 / 100, 21))
    ends = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "x"]
    assert ends == [pytest.approx((0, 20)), pytest.approx((0, 2))]


def test_one_table_in_one_look(add_measured):
    group = group_of(
        add_measured("real", 0.9), add_measured("sdm", 0.8, rows_of(more=later_rows(), flagged=True)),
        add_measured("warp", 0.85, rows_of(60, n=39, inception=31.0)), add_measured("paint", 0.7),
    )  # fmt: skip
    table = overview_table(group)
    text = shown(table).set_index(WHO)
    assert list(text) == ["Dice", "Dice 95 %", "FID", "FD-UNet", "FWD", "adherence", "copies", "s per image"]
    assert text["FID"].to_dict() == {
        "real": NOTHING, "paint": NOTHING, "sdm": GET_FID, "warp": "31.0", HELD_OUT: NOTHING,
    }  # fmt: skip
    assert text.loc["sdm"].tolist()[3:7] == ["50.0", "1.5", "80.0", "6.0 (flagged)"]
    assert text.loc["warp", ["FD-UNet", "adherence", "copies"]].tolist() == [NOTHING, "80.0", "6.0"]
    assert text.loc[HELD_OUT, ["FD-UNet", "FWD", "adherence"]].tolist() == ["20.0", "0.5", "90.0"]
    assert any("FID 39 × 39, FD-UNet 40 × 40, FWD 700 × 100" in note for note in table.notes)
    assert "FD-UNet of warp was measured on other terms." in table.notes
    assert GET_FID in latex(table) and "| `sdm` | 79.0 |" in overview_markdown(group)


def test_one_table_of_runs_that_were_not_measured(add_measured):
    table = overview_table(group_of(add_measured("real", 0.9), add_measured("sdm", 0.8)))
    assert list(shown(table)) == [WHO, "Dice", "Dice 95 %", "s per image"] and not table.notes


def test_what_was_measured_of_another_run_is_not_shown(add_measured):
    group = group_of(add_measured("sdm", 0.8, rows_of(), scores_sha256="0" * 64), add_measured("warp", 0.8, rows_of()))
    summary = by_name(group)["realism"]
    assert "not of the run in the record" in row(summary, "sdm")[UNMEASURED]
    assert math.isnan(row(summary, "sdm")["FD-UNet mean"])


def test_too_few_generators_are_said_to_be(add_measured):
    group = group_of(add_measured("sdm", 0.8, rows_of()), add_measured("paint", 0.7, rows_of(60)))
    (too_few, *_) = agreements(group)
    assert too_few.startswith("2 generators are too few to say whether Dice goes with FD-UNet, KD-UNet, adherence")


def test_a_comparison_ends_with_the_overview_in_80_columns(add_measured, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    worse = rows_of(1234.5, inception=1234.5, flagged=True, more=later_rows(fwd=0.123))
    folders = [
        add_measured("real", 0.9), add_measured("cyclegan", 0.6, worse),
        add_measured("warp", 0.8, rows_of(42.0, inception=98.7, more=later_rows())),
    ]  # fmt: skip
    comparison = Comparison.of(folders)
    (part,) = compare_end(comparison, {"report": Path("report.html")}).parts
    table = shown(part.table)
    assert table[WHO].tolist() == ["real", "warp", "cyclegan", "held-out real frames"], "the best first"
    assert [*table] == [WHO, "Dice", "Dice 95 %", "FID", "FD-UNet", "FWD", "adherence", "copies", "s per image"]
    assert table["FID"].tolist() == ["–", "98.7", "1234.5", "–"] and table["copies"].tolist()[1:3] == ["6.0", "6.0 !"]
    print_end(compare_end(comparison, {"report": Path("report.html")}))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [" ".join(line.split()) for line in lines if "cyclegan" in line and "1234.5" in line and "0.123" in line]
    assert sum(line.startswith("──") for line in lines) == 1, "one table"
    assert "warp has the highest mean" in lines[0], "the answer first"


def test_without_weights_the_end_says_once_what_to_type_for_fid(add_measured):
    folders = [add_measured("real", 0.9), *(add_measured(name, 0.8, rows_of()) for name in ("sdm", "warp"))]
    (part,) = compare_end(Comparison.of(folders), {"report": Path("report.html")}).parts
    assert "FID" not in shown(part.table) and [note for note in part.table.notes if GET_FID in note] == [
        f"FID needs weights: {GET_FID}"
    ]
    (whole,) = (table for table in part.tables if table.name == "overview")
    assert row(whole, "sdm")["FID"] == GET_FID, "the files have it in the column"


def test_an_end_without_realism_has_dice_and_seconds(add_measured):
    (part,) = compare_end(Comparison.of([add_measured("real", 0.9), add_measured("sdm", 0.8)]), {"r": Path("r")}).parts
    assert [*shown(part.table)] == [WHO, "Dice", "Dice 95 %", "s per image"] and part.table.notes == ()
