"""Pictures of a run: maps of validation patients with what was drawn for them, and test frames with contours."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt

from echobench.benchmark.run import pictures


@pytest.fixture
def figures(monkeypatch, tmp_path):
    """What `save` draws, as figures that are still open."""
    kept = []
    monkeypatch.setattr(plt, "close", kept.append)

    def draw(drawn, real, read_back=None):
        kept.clear()
        pictures.save(tmp_path, drawn, read_back, real, real.labels, real)
        return kept[0]

    yield draw
    monkeypatch.undo()
    plt.close("all")


def shown(figure, row, column, columns):
    """The pixels in a cell."""
    return figure.axes[row * columns + column].images[-1].get_array()


def test_eight_maps_with_what_was_drawn_and_the_real_frame(make_frames, figures):
    real = make_frames(10)
    drawn = replace(real, images=255 - real.images)
    figure = figures(drawn, real)
    assert len(figure.axes) == 3 * 8
    assert "validation" in figure.get_suptitle()
    assert figure.axes[7].get_title() == "patient0010 4C ES"
    np.testing.assert_array_equal(shown(figure, 1, 7, 8), drawn.images[19])
    np.testing.assert_array_equal(shown(figure, 2, 7, 8), real.images[19])


def test_who_reads_its_own_images_shows_what_it_read(make_frames, figures):
    real = make_frames(5)
    drawn, read_back = replace(real, images=255 - real.images), np.roll(real.labels, 1, axis=1)
    figure = figures(drawn, real, read_back)
    assert len(figure.axes) == 4 * 8
    last = shown(figure, 3, 7, 8)
    np.testing.assert_array_equal(last.filled(0), read_back[9])


def test_fewer_frames_fewer_columns(make_frames, figures):
    real = make_frames(1)
    assert len(figures(replace(real, images=255 - real.images), real).axes) == 3 * 2


def test_real_frames_are_shown_once(make_frames, figures):
    real = make_frames(5)
    assert len(figures(real, real).axes) == 2 * 8


def test_patients_of_a_folder_may_be_nobodys(make_frames, figures):
    drawn = make_frames(2, first=50)
    figure = figures(drawn, make_frames(2))
    assert not np.any(shown(figure, 2, 0, 4))
