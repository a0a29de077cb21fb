"""Metrics against shapes whose answers are known in closed form, and the rule for missing structures."""

import numpy as np
import pandas as pd
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from scipy.ndimage import gaussian_filter

from echobench.data.frames import Frames
from echobench.data.labels import REGIONS, Label
from echobench.segmentation.scores import region_dice, score, surface_distances_mm

SIDE_PX = 64


def frames_of(labels: np.ndarray, spacing_mm: tuple[float, float] = (1.0, 1.0)) -> Frames:
    n = len(labels)
    return Frames(
        images=np.zeros(labels.shape, np.uint8),
        labels=labels.astype(np.uint8),
        sector=np.ones(labels.shape, bool),
        spacing_mm=np.tile(np.array(spacing_mm, np.float64), (n, 1)),
        patient=np.array([f"p{i}" for i in range(n)]),
        view=np.full(n, "4C"),
        phase=np.full(n, "ED"),
        source=np.full(n, "drawn"),
    )


def square(top: int, left: int, height: int = 20, width: int = 20, label: Label = Label.LA) -> np.ndarray:
    labels = np.zeros((1, SIDE_PX, SIDE_PX), np.uint8)
    labels[0, top : top + height, left : left + width] = label
    return labels


def disc(radius_px: float, label: Label = Label.LA) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX] - SIDE_PX / 2
    return np.where(np.hypot(rows, columns) <= radius_px, label, Label.BACKGROUND)[None].astype(np.uint8)


def value(table: pd.DataFrame, metric: str, region: str = "LA") -> float:
    return float(table.query("metric == @metric and region == @region")["value"].item())


def test_identical_maps_score_perfectly() -> None:
    labels = disc(12)
    table = score(frames_of(labels), labels)
    assert [value(table, metric) for metric in ("dice", "hd95_mm", "assd_mm")] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(("rows", "columns"), [(4, 0), (0, 4)])
def test_dice_of_a_shifted_square(rows: int, columns: int) -> None:
    table = score(frames_of(square(10, 10)), square(10 + rows, 10 + columns))
    assert value(table, "dice") == pytest.approx(16 / 20)


@pytest.mark.parametrize(("rows", "columns", "expected_mm"), [(4, 0, 4 * 0.5), (0, 4, 4 * 1.5)])
def test_distance_of_a_shifted_square_follows_the_spacing_of_its_axis(
    rows: int, columns: int, expected_mm: float
) -> None:
    # More than 5 % of the boundary (the leading edge) lies exactly the shift away from the other square.
    reference = frames_of(square(10, 10), spacing_mm=(0.5, 1.5))
    table = score(reference, square(10 + rows, 10 + columns))
    assert value(table, "hd95_mm") == pytest.approx(expected_mm)


def test_surface_distance_of_two_bars_is_their_gap() -> None:
    # Bars one pixel high: every pixel is boundary and lies five rows from the other bar.
    reference = frames_of(square(10, 10, height=1), spacing_mm=(0.4, 3.0))
    table = score(reference, square(15, 10, height=1))
    assert value(table, "assd_mm") == pytest.approx(5 * 0.4)
    assert value(table, "hd95_mm") == pytest.approx(5 * 0.4)
    assert value(table, "dice") == 0.0


def test_concentric_discs_lie_their_radii_apart() -> None:
    table = score(frames_of(disc(12)), disc(18))
    assert value(table, "dice") == pytest.approx(2 * 12**2 / (12**2 + 18**2), abs=0.02)
    assert value(table, "assd_mm") == pytest.approx(6, abs=0.5)
    assert value(table, "hd95_mm") == pytest.approx(6, abs=0.75)


def test_the_95th_percentile_ignores_a_speck_that_the_maximum_would_not() -> None:
    predicted = square(10, 10)
    predicted[0, 60, 60] = Label.LA
    assert value(score(frames_of(square(10, 10)), predicted), "hd95_mm") == 0.0


def test_the_epicardium_encloses_cavity_and_wall() -> None:
    reference, predicted = square(10, 10, label=Label.LV_MYO), square(10, 10, label=Label.LV_ENDO)
    table = score(frames_of(reference), predicted)
    assert value(table, "dice", "LVepi") == 1.0
    assert value(table, "dice", "LVendo") == 0.0
    assert value(table, "dice", "LVmyo") == 0.0


@pytest.mark.parametrize("missing", ["reference", "prediction"])
def test_a_structure_on_one_side_only_costs_the_diagonal(missing: str) -> None:
    full, empty = square(10, 10), np.zeros((1, SIDE_PX, SIDE_PX), np.uint8)
    reference, predicted = (empty, full) if missing == "reference" else (full, empty)
    table = score(frames_of(reference, spacing_mm=(0.3, 0.4)), predicted)
    assert value(table, "dice") == 0.0
    assert value(table, "hd95_mm") == pytest.approx(0.5 * SIDE_PX)
    assert value(table, "assd_mm") == pytest.approx(0.5 * SIDE_PX)
    row = table.query("region == 'LA' and metric == 'dice'").iloc[0]
    assert (row["n_ref"], row["n_pred"]) == ((0, 400) if missing == "reference" else (400, 0))


def test_a_structure_on_neither_side_is_kept_as_undefined() -> None:
    empty = np.zeros((1, SIDE_PX, SIDE_PX), np.uint8)
    table = score(frames_of(empty), empty)
    assert len(table) == 12
    assert table["value"].isna().all()
    assert (table[["n_ref", "n_pred"]] == 0).all(axis=None)


def test_one_row_per_image_region_and_metric_in_the_order_of_the_frames() -> None:
    labels = np.concatenate([disc(5), disc(10), disc(15)])
    table = score(frames_of(labels), labels[::-1])
    columns = ["patient", "view", "phase", "region", "metric", "unit", "value", "n_ref", "n_pred"]
    assert list(table.columns) == columns
    assert not table.duplicated(["patient", "view", "phase", "region", "metric"]).any()
    assert list(table["patient"].unique()) == ["p0", "p1", "p2"]
    assert set(table["region"]) == set(REGIONS)
    assert dict(table.groupby("metric")["unit"].first()) == {"dice": "1", "hd95_mm": "mm", "assd_mm": "mm"}
    first = table.query("patient == 'p0' and region == 'LA' and metric == 'dice'").iloc[0]
    assert first["n_ref"] == (labels[0] == Label.LA).sum()
    assert first["n_pred"] == (labels[2] == Label.LA).sum()


def test_region_dice_agrees_with_the_full_scores() -> None:
    rng = np.random.default_rng(0)
    reference, predicted = rng.integers(0, len(Label), (2, 3, 16, 16)).astype(np.uint8)
    table = score(frames_of(reference), predicted).query("metric == 'dice'")
    for region, scores in region_dice(reference, predicted).items():
        np.testing.assert_allclose(scores, table[table["region"] == region]["value"])


def test_a_prediction_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="does not match"):
        score(frames_of(disc(5)), np.zeros((2, SIDE_PX, SIDE_PX), np.uint8))


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # MONAI's own call of its own function
def test_distances_agree_with_monai_on_ragged_masks() -> None:
    rng = np.random.default_rng(1)
    blobs = gaussian_filter(rng.normal(size=(2, 4, SIDE_PX, SIDE_PX)), (0, 0, 5, 5)) > 0.02
    spacing_mm = np.array([[0.3, 0.7], [1.0, 1.0], [0.5, 0.2], [2.0, 1.0]])
    hd95_mm, assd_mm = surface_distances_mm(*blobs, spacing_mm)
    truth, guess = torch.from_numpy(blobs)[:, :, None]
    options = {"include_background": True, "spacing": spacing_mm.tolist()}
    expected_hd95 = compute_hausdorff_distance(guess, truth, percentile=95, **options)
    expected_assd = compute_average_surface_distance(guess, truth, symmetric=True, **options)
    np.testing.assert_allclose(hd95_mm, expected_hd95[:, 0], rtol=1e-5)
    np.testing.assert_allclose(assd_mm, expected_assd[:, 0], rtol=1e-5)
