"""The gallery of stresses: a cell for each, in the order asked for, or the reason why there is none."""

import numpy as np
import pytest

from echobench.benchmark.stress.gallery import gallery
from echobench.data.base.errors import EchobenchError
from echobench.data.labels import Label
from echobench.data.ladder.ladder import STRESSES
from echobench.data.ladder.maps import stress_maps


@pytest.fixture
def frame(make_frames):
    return make_frames(1, size=96).select(slice(0, 1))


def test_rows_are_stresses_and_columns_severities(frame):
    figure = gallery(frame, ["small", "missing-atrium"], [0, 0.5], seed=2)
    assert len(figure.axes) == 4
    assert [axes.get_title() for axes in figure.axes[:2]] == ["0", "0.5"]
    assert figure.axes[2].get_ylabel() == "missing\natrium"
    shown = figure.axes[1].images[-1].get_array()
    expected = stress_maps(frame, "small", 0.5, seed=2).maps.labels[0]
    np.testing.assert_array_equal(shown.filled(0), expected)


def test_a_cell_that_cannot_be_drawn_says_why(frame):
    frame.labels[frame.labels == Label.LA] = Label.BACKGROUND
    figure = gallery(frame, ["missing-atrium"], [1.0])
    assert not figure.axes[0].images
    assert "no left atrium" in figure.get_supxlabel()


def test_the_whole_ladder_fits_a_page_and_can_be_read_there(frame, small_texts):
    figure = gallery(frame)
    assert not small_texts(figure)
    names = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert {name.replace("\n", "-") for name in names} == set(STRESSES)


def test_an_unknown_stress_is_refused(frame):
    with pytest.raises(EchobenchError, match="unknown deformation 'twist'"):
        gallery(frame, ["twist"])


def test_one_frame_at_a_time(make_frames):
    with pytest.raises(EchobenchError, match="the gallery shows the map of one frame, got 4"):
        gallery(make_frames(2))
