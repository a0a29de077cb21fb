"""`Segmenter`: predicts, survives a round trip through its file, refuses other files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.labels import Label
from echobench.segmentation.segmenter import Preprocessing, Segmenter
from echobench.segmentation.settings import UNetSettings


@pytest.fixture
def segmenter(tiny: UNetSettings) -> Segmenter:
    return Segmenter(tiny.build(0).eval(), tiny, Preprocessing(32, mean=0.2, std=0.1))


@pytest.fixture
def images(make_frames: Callable[..., Frames]) -> np.ndarray:
    return make_frames(3).images


def change_file(path: Path, key: str, value: object) -> None:
    content = torch.load(path, weights_only=True)
    content[key] = value
    torch.save(content, path)


def test_a_prediction_is_a_label_map_of_the_image(segmenter: Segmenter, images: np.ndarray) -> None:
    labels = segmenter.predict(images)
    assert (labels.shape, labels.dtype) == (images.shape, np.uint8)
    assert set(np.unique(labels)) <= set(Label)
    assert segmenter.predict(images[:0]).shape == (0, 32, 32)


def test_a_prediction_does_not_depend_on_its_batch(segmenter: Segmenter, images: np.ndarray) -> None:
    whole, single = segmenter.predict(images), segmenter.predict(images, batch_size=1)
    assert (whole == single).mean() > 0.999  # ties between two labels may fall either way


def test_the_preprocessing_matters(segmenter: Segmenter, images: np.ndarray) -> None:
    other = replace(segmenter, preprocessing=Preprocessing(32, mean=0.9, std=2.0))
    assert (segmenter.predict(images) != other.predict(images)).any()


def test_statistics_are_those_of_the_training_images(images: np.ndarray) -> None:
    preprocessing = Preprocessing.of(images)
    assert preprocessing.size_px == 32
    assert preprocessing.mean == pytest.approx((images / 255).mean())
    assert preprocessing.std == pytest.approx((images / 255).std())


def test_images_of_one_grey_value_are_refused() -> None:
    with pytest.raises(EchobenchError, match="all of one grey value"):
        Preprocessing.of(np.full((2, 32, 32), 7, np.uint8))


def test_images_of_another_size_are_refused(segmenter: Segmenter) -> None:
    with pytest.raises(EchobenchError, match="trained on images of 32 x 32 px"):
        segmenter.predict(np.zeros((1, 64, 64), np.uint8))


def test_what_is_saved_is_what_is_loaded(segmenter: Segmenter, images: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "unet.pt"
    segmenter.save(path)
    loaded = Segmenter.load(path, settings=segmenter.settings)
    assert loaded.settings == segmenter.settings
    assert loaded.preprocessing == segmenter.preprocessing
    np.testing.assert_array_equal(loaded.predict(images), segmenter.predict(images))
    assert [file.name for file in path.parent.iterdir()] == ["unet.pt"]


def test_a_file_with_another_label_vocabulary_is_refused(segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "unet.pt"
    segmenter.save(path)
    vocabulary = {label.name: int(label) for label in Label}
    change_file(path, "labels", {**vocabulary, "LV_MYO": 3, "LA": 2})
    with pytest.raises(EchobenchError, match="LA is 2 there, 3 here; LV_MYO is 3 there, 2 here"):
        Segmenter.load(path)


def test_other_settings_are_refused_by_name(segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "unet.pt"
    segmenter.save(path)
    with pytest.raises(EchobenchError, match=r"other settings: batch_size is 4 there, 5 here\."):
        Segmenter.load(path, settings=replace(segmenter.settings, batch_size=5))


def test_unknown_settings_and_formats_are_refused(segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "unet.pt"
    segmenter.save(path)
    change_file(path, "format_version", 99)
    with pytest.raises(EchobenchError, match="format version: 99 there, 1 here"):
        Segmenter.load(path)
    segmenter.save(path)
    change_file(path, "settings", {"shortcuts": True})
    with pytest.raises(EchobenchError, match=r"holds other settings than UNetSettings: unknown \['shortcuts'\]"):
        Segmenter.load(path)


def test_files_that_are_no_segmenter_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EchobenchError, match="there is no file"):
        Segmenter.load(tmp_path / "absent.pt")
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(EchobenchError, match="cannot be read: it is damaged or no file of echobench"):
        Segmenter.load(tmp_path / "text.pt")
    torch.save({"weights": {}}, tmp_path / "other.pt")
    with pytest.raises(EchobenchError, match="does not hold labels, preprocessing, settings, weights"):
        Segmenter.load(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("settings", 5),
        ("settings", {"channels": "x"}),
        ("preprocessing", {"size_px": 32, "mean": 0.5, "std": "x"}),
        ("preprocessing", {"size_px": 32, "mean": 0.5, "std": 0.0}),
        ("preprocessing", {"size_px": -1, "mean": 0.5, "std": 1.0}),
        ("preprocessing", []),
        ("weights", {}),
        ("weights", {"a": 1}),
        ("labels", torch.zeros(3)),
        ("format_version", torch.ones(2)),
    ],
)
def test_content_that_does_not_fit_is_refused(segmenter: Segmenter, tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "unet.pt"
    segmenter.save(path)
    change_file(path, key, value)
    with pytest.raises(EchobenchError, match=r"unet\.pt"):
        Segmenter.load(path)


def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "unet.pt"
    segmenter.save(path)
    kept = path.read_bytes()
    name, weights = next(iter(segmenter.network.named_parameters()))
    weights.data.fill_(torch.nan)
    with pytest.raises(EchobenchError, match=f"not finite .weights.{name}"):
        segmenter.save(path)
    assert path.read_bytes() == kept
    change_file(path, "weights", segmenter.network.state_dict())
    with pytest.raises(EchobenchError, match=f"not finite .weights.{name}"):
        Segmenter.load(path)
