"""The picture of a severity: what the tables say stands in words on each image, and nothing is cut off."""

import numpy as np
import pytest

from echobench.benchmark.stress.pictures import MEANING, Row, picture
from echobench.results.shown.palette import LABELS, MARK


@pytest.fixture
def row(make_frames):
    frames = make_frames(1, size=64)
    changed = np.zeros((64, 64), dtype=bool)
    changed[20:30, 20:30] = True

    def make(name="small", **called):
        images = {"warp": frames.images[0], "sdm": frames.images[1]}
        seen = dict.fromkeys(images, frames.labels[0])
        return Row(
            name, "patient0001", frames.labels[0], changed, frames.sector[0], frames.spacing_mm[0],
            images, seen, **{"lost": set(), **called},
        )  # fmt: skip

    return make


def words(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


def test_an_image_says_what_the_tables_say_of_its_map(row):
    figure = picture([row(lost={"sdm"}, doubtful={"warp"})], ["warp", "sdm", "gan"], "severity 1", contours=True)
    assert [words(axes) for axes in figure.axes] == [[], ["doubt"], ["lost"], ["no image"]]
    framed = [len(axes.patches) for axes in figure.axes]
    assert framed == [0, 0, 1, 0] and MARK not in LABELS.values()


@pytest.mark.parametrize("generators", [["warp"], ["warp", "sdm", "cyclegan", "paint"]])
@pytest.mark.parametrize("number", [1, 17])
def test_the_heading_is_whole_and_all_can_be_read_on_paper(row, small_texts, generators, number):
    rows = [row("hypertrophied-wall") for _ in range(number)]
    figure = picture(rows, generators, "phantom, severity 1", contours=False)
    assert not small_texts(figure) and len(figure.legends) == 1
    assert figure.get_suptitle().replace("\n", " ") == f"phantom, severity 1 {MEANING}"
    figure.draw_without_rendering()
    for text in (figure._suptitle, *figure.legends[0].get_texts()):
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
