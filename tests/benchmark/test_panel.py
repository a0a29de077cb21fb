"""The panel: the same map in a column, whoever drew it, and the frames that a U-Net does worst on."""

from dataclasses import replace

import numpy as np
import pytest
from skimage.io import imread

from echobench.benchmark.measure.panel import picture_runs, save_panel
from echobench.benchmark.run.pictures import LABEL_MAP, PHANTOM_FRAME, REAL_FRAME, panel, worst_cases
from echobench.benchmark.run.pipeline import run
from echobench.benchmark.run.settings import resolve
from echobench.data.base.errors import EchobenchError
from echobench.results.report.pictures import panel as read_panel


@pytest.fixture
def real(make_frames):
    return make_frames(4)


@pytest.fixture
def maps(real):
    """The frames' labels, deformed."""
    return replace(real, labels=np.roll(real.labels, 2, axis=2))


@pytest.fixture
def drawn(maps):
    return {"sdm": replace(maps, images=255 - maps.images), "paint": replace(maps, images=maps.images // 2)}


def cell(figure, row, column, columns):
    return figure.axes[row * columns + column]


def pixels(figure, row, column, columns):
    return np.asarray(cell(figure, row, column, columns).images[-1].get_array())


def test_maps_are_columns_and_who_drew_them_rows(drawn, real):
    figure = panel(drawn, real, 3)
    assert len(figure.axes) == 4 * 3
    assert [cell(figure, row, 0, 3).get_ylabel() for row in range(4)] == [LABEL_MAP, "sdm", "paint", REAL_FRAME]
    assert cell(figure, 0, 2, 3).get_title() == "patient0004\n4C ES"
    np.testing.assert_array_equal(pixels(figure, 0, 2, 3), drawn["sdm"].labels[7])
    np.testing.assert_array_equal(pixels(figure, 1, 2, 3), drawn["sdm"].images[7])
    np.testing.assert_array_equal(pixels(figure, 2, 2, 3), drawn["paint"].images[7])
    np.testing.assert_array_equal(pixels(figure, 3, 2, 3), real.images[7])
    assert not cell(figure, 1, 0, 3).collections


def test_contours_are_those_of_the_map_and_in_real_frames_the_experts(drawn, real):
    figure = panel(drawn, real, 2, contours=True)

    def left_edge(row):
        return min(path.vertices[:, 0].min() for c in cell(figure, row, 0, 2).collections for path in c.get_paths())

    assert left_edge(1) == left_edge(2) == left_edge(3) + 2
    assert not cell(figure, 0, 0, 2).collections


def test_frames_are_paired_by_patient_view_and_phase_not_by_their_place(drawn, real):
    shuffled = np.array([6, 3, 0, 7, 2, 5])
    figure = panel(drawn | {"paint": drawn["paint"].select(shuffled)}, real.select(slice(None, None, -1)), 9)
    assert len(figure.axes) == 4 * 6
    np.testing.assert_array_equal(pixels(figure, 1, 1, 6), drawn["sdm"].images[2])
    np.testing.assert_array_equal(pixels(figure, 2, 1, 6), drawn["paint"].images[2])
    np.testing.assert_array_equal(pixels(figure, 3, 1, 6), real.images[2])


def test_a_map_that_was_deformed_otherwise_is_another_map(drawn, real):
    labels = drawn["paint"].labels.copy()
    labels[:6] = np.roll(labels[:6], 1, axis=1)
    other = replace(drawn["paint"], labels=labels)
    assert len(panel(drawn | {"paint": other}, real).axes) == 4 * 2
    with pytest.raises(EchobenchError, match="sdm, paint have drawn no label map in common"):
        panel({"sdm": drawn["sdm"].select(slice(6)), "paint": other}, real)
    with pytest.raises(EchobenchError, match="no generator"):
        panel({}, real)


def test_a_patient_whom_the_dataset_does_not_have_is_black(drawn, real):
    figure = panel(drawn, real.select(slice(2, None)), 8)
    assert not pixels(figure, 3, 0, 8).any()
    np.testing.assert_array_equal(pixels(figure, 3, 7, 8), real.images[7])


def test_saved_pictures_are_the_panels_cells_and_the_report_reads_them(drawn, real, tmp_path):
    folders = save_panel(drawn, real, tmp_path, 2)
    assert list(folders) == [LABEL_MAP, "sdm", "paint", REAL_FRAME]
    image = imread(folders["sdm"] / "patient0001 4C ED.png")
    np.testing.assert_array_equal(image, drawn["sdm"].images[0])
    contours = imread(folders["sdm"] / "patient0001 4C ED.contours.png")
    assert contours.shape == (32, 32, 4) and 0 < (contours[..., 3] > 0).mean() < 0.5
    found = read_panel(folders)
    assert found.maps == ("patient0001 4C ED", "patient0004 4C ES")
    assert [(name, [bool(one.contours) for one in cells]) for name, cells in found.rows] == [
        (LABEL_MAP, [False, False]), ("sdm", [True, True]), ("paint", [True, True]), (REAL_FRAME, [True, True]),
    ]  # fmt: skip


def test_the_lowest_dice_comes_first(real):
    predicted = real.labels.copy()
    predicted[3] = 0
    predicted[5] = np.roll(predicted[5], 3, axis=1)
    figure = worst_cases(real, {"sdm": predicted, "paint": real.labels}, 2)
    assert len(figure.axes) == 4 * 2
    assert (
        cell(figure, 0, 0, 2).get_title() == "patient0002\n4C ES" and cell(figure, 1, 0, 2).get_xlabel() == "Dice 0 %"
    )
    assert cell(figure, 0, 1, 2).get_title() == "patient0003\n4C ES"
    assert cell(figure, 3, 0, 2).get_xlabel() == "Dice 100 %"
    assert [cell(figure, row, 0, 2).get_ylabel() for row in (0, 1)] == ["sdm: expert", "sdm: U-Net"]
    np.testing.assert_array_equal(pixels(figure, 1, 0, 2), real.images[3])
    assert cell(figure, 0, 0, 2).collections and not cell(figure, 1, 0, 2).collections  # it saw nothing


@pytest.mark.usefixtures("whole_figures")
@pytest.mark.usefixtures("tiny")
def test_pictures_of_finished_runs(tmp_path):
    runs = {}
    for name in ("real", "warp", "paint"):
        settings = resolve(generator=name, view="4C", preset="tiny")
        run(settings, tmp_path / name)
        runs[name] = settings, tmp_path / name
    folders = picture_runs(runs, tmp_path / "pictures", "cpu")
    assert list(folders) == [LABEL_MAP, "warp", "paint", PHANTOM_FRAME]
    assert len({len(list(folder.glob("* 4C E?.png"))) for folder in folders.values()}) == 1
    whole = imread(tmp_path / "pictures" / "panel.png")
    assert whole.shape == imread(tmp_path / "pictures" / "panel-contours.png").shape
    assert (tmp_path / "pictures" / "worst-cases.png").is_file()
    assert picture_runs({"real": runs["real"]}, tmp_path / "none", "cpu") == {}
