"""Figures: that what is drawn is what the records say."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from echobench.results.evidence.comparison import Comparison
from echobench.results.records.run import Stage
from echobench.results.report.contents import group_figures
from echobench.results.shown.curves import (
    LEAST_SPAN,
    cost_figure,
    evaluation_figure,
    families,
    image_figure,
    is_image_number,
    is_training_length,
    pareto,
    training_figure,
)
from echobench.results.shown.figures import CAPTIONS, dice_figure, region_figure
from echobench.results.shown.files import write_figures

DICE = {"a": 0.8, "b": 0.6, "c": 0.7}


def dots(axes):
    """x of the points of every scatter."""
    return [np.sort(collection.get_offsets()[:, 0]) for collection in axes.collections if len(collection.get_offsets())]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def names(figure):
    """What stands beside points."""
    return [text.get_text() for text in figure.axes[0].texts]


def png(figure, folder):
    """The pixels, which need all of the layout."""
    figure.savefig(folder / "figure.png", dpi=50)
    return (folder / "figure.png").read_bytes()


def test_dice_has_a_point_for_every_patient_and_the_best_run_on_top(group, tmp_path):
    figure = dice_figure(group)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["real", "sdm", "paint"]
    assert axes.get_xlabel() == "mean Dice (%)"
    per_run = [points for points in dots(axes) if len(points) == 12]
    assert [points.mean() for points in per_run] == pytest.approx([90, 88, 70], abs=1)
    assert png(figure, tmp_path) == png(dice_figure(group), tmp_path), "the same every time"


def test_regions_have_a_panel_each(group, tmp_path):
    figure = region_figure(group)
    assert [axes.get_title().partition(":")[0] for axes in figure.axes] == ["LVendo", "LVepi", "LVmyo", "LA"]
    assert all(low <= 0 and high >= 100 for low, high in (axes.get_xlim() for axes in figure.axes))
    assert png(figure, tmp_path)


def test_cost_has_seconds_and_a_level_for_who_draws_nothing(add_run, tmp_path):
    folders = [
        add_run("sdm", DICE),
        add_run("real", DICE, stages=[Stage("unet-0", 300, 3000)], parameters=0),
        add_run("folder:mine", DICE, parameters=0),
    ]
    figure = cost_figure(Comparison.of(folders).groups[0])
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "seconds per image")
    low, high = axes.get_xlim()
    assert low < 0.1 < high and high / low >= 10
    assert sorted(legend(figure))[:2] == ["folder:mine: drawn elsewhere", "real: nothing drawn"]
    assert names(figure) == ["sdm"]
    assert png(figure, tmp_path)


def test_the_stairs_go_up_at_who_is_better_and_on_to_the_edge(add_run):
    def drawing(seconds):
        return [Stage("draw-training-4C", seconds, 1000, items=10)]

    folders = [
        add_run("cheap", {"a": 0.6}, stages=drawing(1.0)),
        add_run("worse", {"a": 0.5}, stages=drawing(2.0)),
        add_run("dear", {"a": 0.8}, stages=drawing(30.0)),
    ]
    figure = cost_figure(Comparison.of(folders).groups[0])
    (axes,) = figure.axes
    (rings,) = (line for line in axes.lines if line.get_label().startswith("ring"))
    assert list(rings.get_xdata()) == pytest.approx([0.1, 3.0]) and sorted(names(figure)) == ["cheap", "dear", "worse"]
    (stairs,) = (line for line in axes.lines if line.get_drawstyle() == "steps-post")
    assert list(stairs.get_xdata()) == pytest.approx([0.1, 3.0, axes.get_xlim()[1]])
    assert list(stairs.get_ydata()) == pytest.approx([60, 80, 80])


def test_who_drew_on_another_machine_beats_nobody(add_run):
    gpu = {"processor": "A processor", "cores": 2, "device": "A GPU", "torch_threads": 1}
    folders = [
        add_run("fast", {"a": 0.8}, stages=[Stage("draw-training-4C", 1.0, 1000, items=10)], machine=gpu),
        add_run("slow", {"a": 0.6}, stages=[Stage("draw-training-4C", 30.0, 1000, items=10)]),
    ]
    (axes,) = cost_figure(Comparison.of(folders).groups[0]).axes
    (rings,) = (line for line in axes.lines if line.get_label().startswith("ring: none on its machine"))
    assert sorted(rings.get_xdata()) == pytest.approx([0.1, 3.0])
    assert not any(line.get_drawstyle() == "steps-post" for line in axes.lines)


def test_the_front_is_who_no_other_beats_in_both():
    # 3 is dearer and worse than 2; 4 costs as much as 1 and is worse; 0 is the dearest and best
    assert pareto([9.0, 1.0, 2.0, 3.0, 1.0], [95.0, 80.0, 90.0, 85.0, 70.0]) == [1, 2, 0]
    assert pareto([], []) == []


def with_settings(steps=5000, images=None, rate=1.0):
    return {"generator_settings": {"training": {"steps": steps, "rate": rate}}, "images": images}


def test_a_line_joins_runs_that_differ_in_one_thing_alone(add_run, make_scores, tmp_path):
    beside = [Stage("fit-4C", 180.0, 2000, jobs=2), Stage("draw-training-4C", 90.0, 2100, items=900)]
    folders = [
        add_run("sdm", DICE, name="full", settings=with_settings(), training_images=1600),
        add_run("sdm", DICE, name="short", settings=with_settings(steps=500), training_images=1600, stages=beside),
        add_run("sdm", DICE, name="few", settings=with_settings(images=100), training_images=100),
        add_run("sdm", DICE, name="alike", settings=with_settings(rate=2.0)),
        add_run("sdm", make_scores(DICE, seeds=(0.0, 0.0)), name="more", settings=with_settings(rate=2.0)),
        add_run("sdm", DICE, name="both", settings=with_settings(steps=9, images=200, rate=2.0), training_images=200),
    ]
    (group,) = Comparison.of(folders).groups
    joined = {
        free: [sorted(run.folder.name for run in family) for family in families(group.runs, free)]
        for free in (is_training_length, is_image_number)
    }
    assert joined == {is_training_length: [["full", "short"]], is_image_number: [["few", "full"]]}
    images = image_figure(group)
    assert images.axes[0].get_xlabel() == "training images"
    assert [100, 1600] in [list(line.get_xdata()) for line in images.axes[0].lines]
    assert png(images, tmp_path)


def test_evaluations_are_joined_where_nothing_else_differs(add_run):
    folders = [
        add_run(
            generator, DICE, name=f"{generator}{n}", evaluations=n, settings={"generator_settings": {"sampling": one}}
        )
        for generator, n, one in (
            ("flow", 4, {"steps": 4, "shift": 2.0}),
            ("flow", 1, {"steps": 1, "shift": 2.0}),
            ("flow", 8, {"steps": 8, "shift": 1.0}),
            ("sdm", 5, {"steps": 5}),
            ("sdm", 20, {"steps": 20}),
        )
    ]
    figure = evaluation_figure(Comparison.of(folders).groups[0])
    assert sorted(names(figure)) == ["flow", "sdm"]
    drawn = [list(line.get_xdata()) for line in figure.axes[0].lines]
    assert [1, 4] in drawn and [5, 20] in drawn and not any(8 in x for x in drawn)
    assert evaluation_figure(Comparison.of(folders[:1]).groups[0]) is None


def test_images_have_real_frames_as_a_level(add_run):
    folders = [add_run("real", DICE, training_images=798)]
    folders += [
        add_run("sdm", DICE, name=f"n{n}", settings=with_settings(images=n), training_images=n)
        for n in (1600, 400, 800)
    ]
    (group,) = Comparison.of(folders).groups
    figure = image_figure(group)
    assert legend(figure) == ["real: all frames"] and names(figure) == ["sdm"], "a line has one name"
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["400", "800", "1,600"]


def test_a_difference_that_seeds_could_undo_does_not_fill_the_figure(add_run, make_scores):
    folders = [
        add_run("sdm", make_scores({"a": 0.9, "b": 0.901}, seeds=(-0.002, 0, 0.001)), name=f"n{n}",
                settings=with_settings(images=n), training_images=n)
        for n in (400, 800)
    ]  # fmt: skip
    (axes,) = image_figure(Comparison.of(folders).groups[0]).axes
    low, high = axes.get_ylim()
    assert LEAST_SPAN <= high - low < LEAST_SPAN + 1 and low < 90 < high <= 100
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([band.min(), band.max()], [89.85, 90.15], atol=1e-9)


def test_names_cover_neither_points_nor_one_another(add_run):
    def drawing(seconds):
        return [Stage("draw-training-4C", seconds, 1000, items=10)]

    folders = [add_run(f"g{i}", {"a": 0.8 + i / 1000}, stages=drawing(1.0 + i / 100)) for i in range(4)]
    figure = cost_figure(Comparison.of(folders).groups[0])
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 4 and not any(one.count_overlaps(boxes[i + 1 :]) for i, one in enumerate(boxes))


def test_training_has_minutes_and_a_level_for_who_is_not_trained(add_run):
    figure = training_figure(Comparison.of([add_run("sdm", DICE), add_run("real", DICE, parameters=0)]).groups[0])
    low, high = figure.axes[0].get_xlim()
    assert low < 30 < high
    assert legend(figure) == ["real: not trained"] and names(figure) == ["sdm"]


def test_there_is_no_figure_without_anything_to_draw(add_run):
    (group,) = Comparison.of([add_run("real", DICE, stages=[Stage("unet-0", 300, 3000)], parameters=0)]).groups
    assert (cost_figure(group), training_figure(group), image_figure(group)) == (None, None, None)
    assert isinstance(dice_figure(group), Figure)


def test_figures_are_written_for_a_slide_and_for_a_paper_and_the_same_every_time(group, tmp_path):
    for name in ("one", "two"):
        write_figures({"dice": dice_figure(group)}, tmp_path / name)
    written = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert set(written) == {"dice.png", "dice.pdf"} and written["dice.pdf"].startswith(b"%PDF")
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


def test_text_can_be_read_on_paper(add_run, make_scores, small_texts):
    """Of figures of a group with everything: a line of runs, levels, single points, long labels."""
    seeds, dice = (-0.002, 0.0, 0.001), {"a": 0.8, "b": 0.82}
    folders = [add_run("real", make_scores(dice, seeds=seeds)), add_run("paint", make_scores(dice, seeds=seeds))]
    folders += [
        add_run(
            "sdm", make_scores(dice, seeds=seeds), name=f"n{n}", settings=with_settings(images=n), training_images=n
        )
        for n in (400, 800)
    ]
    (group,) = Comparison.of(folders).groups
    figures = group_figures(group)
    assert {"dice", "regions", "cost", "training", "images"} <= set(figures)
    assert {name: small_texts(figure) for name, figure in figures.items()} == {name: [] for name in figures}


def test_every_figure_has_a_caption_in_words():
    of_realism = {"agreement", "number"}
    assert (
        set(CAPTIONS)
        == {"dice", "regions", "cost", "training", "images", "ejection", "cross", "evaluations"} | of_realism
    )
    assert all(caption.endswith(".") and len(caption.split()) > 20 for caption in CAPTIONS.values())
