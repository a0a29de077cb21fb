"""Pictures of a run: maps of validation patients with what was drawn for them, and test frames with contours."""

from dataclasses import replace

import numpy as np
import pytest

from echobench.benchmark.run import pictures
from echobench.results.shown.palette import LABEL_NAMES


@pytest.fixture
def figures(monkeypatch, tmp_path):
    """What `save` writes, as figures by name."""
    kept = {}
    monkeypatch.setattr(pictures, "write_figures", lambda left, folder, dpi: kept.update(left))

    def draw(drawn, real, read_back=None, predicted=None, name="sdm"):
        pictures.save(tmp_path, name, drawn, read_back, real, real.labels if predicted is None else predicted, real)
        return kept["drawn"], kept["predicted"]

    return draw


def rows_of(figure, columns):
    return [axes.get_ylabel() for axes in figure.axes[::columns]]


def shown(figure, row, column, columns):
    """The pixels in a cell."""
    return figure.axes[row * columns + column].images[-1].get_array()


def test_eight_maps_with_what_was_drawn_and_the_real_frame(make_frames, figures):
    real = make_frames(10)
    drawn = replace(real, images=255 - real.images)
    figure, _ = figures(drawn, real)
    assert len(figure.axes) == 3 * 8 and rows_of(figure, 8) == ["label map", "sdm", "real frame"]
    assert "validation" in figure.get_suptitle()
    assert figure.axes[7].get_title() == "patient0010\n4C ES"
    np.testing.assert_array_equal(shown(figure, 1, 7, 8), drawn.images[19])
    np.testing.assert_array_equal(shown(figure, 2, 7, 8), real.images[19])


def test_who_reads_its_own_images_shows_what_it_read(make_frames, figures):
    real = make_frames(5)
    drawn, read_back = replace(real, images=255 - real.images), np.roll(real.labels, 1, axis=1)
    figure, _ = figures(drawn, real, read_back)
    assert len(figure.axes) == 4 * 8 and rows_of(figure, 8)[3] == "map read back"
    last = shown(figure, 3, 7, 8)
    np.testing.assert_array_equal(last.filled(0), read_back[9])


def test_fewer_frames_fewer_columns(make_frames, figures):
    real = make_frames(1)
    assert len(figures(replace(real, images=255 - real.images), real)[0].axes) == 3 * 2


def test_real_frames_are_shown_once(make_frames, figures):
    real = make_frames(5)
    figure, _ = figures(real, real, name="real")
    assert rows_of(figure, 8) == ["label map", "real frame"]


def test_patients_of_a_folder_may_be_nobodys(make_frames, figures):
    drawn = make_frames(2, first=50)
    figure, _ = figures(drawn, make_frames(2))
    assert not np.any(shown(figure, 2, 0, 4))


def test_frames_of_the_phantom_are_called_so(make_frames, figures):
    real = make_frames(2)
    real = replace(real, source=np.full(len(real), "phantom"))
    figure, _ = figures(replace(real, images=255 - real.images), real)
    assert rows_of(figure, 4)[-1] == "phantom's frame"


def test_dice_stands_under_what_the_u_net_saw(make_frames, figures):
    real = make_frames(2)
    predicted = real.labels.copy()
    predicted[1] = 0
    _, figure = figures(real, real, predicted=predicted)
    assert [axes.get_xlabel() for axes in figure.axes[-4:]] == ["Dice 100 %", "Dice 0 %", "Dice 100 %", "Dice 100 %"]


@pytest.mark.parametrize("patients", [1, 5])
def test_every_picture_has_a_legend_and_can_be_read_on_paper(make_frames, figures, small_texts, patients):
    real = make_frames(patients)
    for figure in (
        *figures(replace(real, images=255 - real.images), real),
        pictures.worst_cases(real, {"a": real.labels}),
    ):
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == list(LABEL_NAMES.values())
        assert not small_texts(figure)


@pytest.mark.parametrize("columns", [1, 2, 3, 8])
def test_the_legend_of_a_narrow_picture_is_whole(columns):
    with pictures.picture_grid(["label map", "real frame"], columns, "a heading") as (figure, _):
        figure.canvas.draw()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.width
