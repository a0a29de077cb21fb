"""The radiomic distance: of the packages themselves where they are installed, and of a stand-in of the same names."""

from math import exp

import numpy as np
import pytest
import SimpleITK

from echobench.benchmark.measure.realism import radiomics
from echobench.benchmark.measure.realism.appearance import appearance_rows
from echobench.benchmark.measure.realism.distances import frechet_distance
from echobench.benchmark.measure.realism.radiomics import radiomics_distance, radiomics_packages

STAND_IN = """
import sys
from pathlib import Path
from SimpleITK import GetArrayFromImage, ReadImage
reference, compared = ([GetArrayFromImage(ReadImage(str(f))) for f in sorted(Path(d).iterdir())] for d in sys.argv[1:3])
mean = lambda images: sum(image.mean() for image in images) / len(images)
if mean(compared) == 0:
    sys.exit("ValueError: an image is black")
print("a warning")
print(f"FRD (v1): {mean(compared) - mean(reference) if mean(compared) < 255 else '-inf'}")
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A package frd_score whose distance is the difference of mean grey values."""
    (tmp_path / "frd_score").mkdir()
    (tmp_path / "frd_score" / "__init__.py").touch()
    (tmp_path / "frd_score" / "__main__.py").write_text(STAND_IN)
    for name in ("frd_score", "pyradiomics"):
        (tmp_path / f"{name}-7.0.dist-info").mkdir()
        (tmp_path / f"{name}-7.0.dist-info" / "METADATA").write_text(f"Name: {name.replace('_', '-')}\nVersion: 7.0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)


def grey(*levels):
    return np.array([np.full((16, 16), level) for level in levels], np.uint8)


def rows_of(make_frames):
    training, heldout = make_frames(6), make_frames(6, seed=1, first=100)
    drawn = make_frames(6, seed=2)
    rows = {row["metric"]: row for row in appearance_rows(drawn, training, heldout, 8, 0)}
    return rows, heldout


def test_the_row_names_packages_and_stands_beside_fwd(stand_in, make_frames):
    rows, heldout = rows_of(make_frames)
    row = rows["FRD"]
    assert row["extractor"] == radiomics_packages() == "frd-score 7.0, pyradiomics 7.0"
    assert (row["n_drawn"], row["n_real"]) == (8, len(heldout)) and row["reference_split"] == "held-out"
    assert row["value"] != row["held_out"] and row["note"] == ""


def test_of_images_to_the_reference_and_why_there_is_none(stand_in):
    assert radiomics_distance(grey(10, 20, 30), grey(4, 6)) == (15, "")
    value, note = radiomics_distance(grey(0, 0), grey(4, 6))
    assert np.isnan(value) and note == "not computed: frd-score ended with ValueError: an image is black"
    value, note = radiomics_distance(grey(255, 255), grey(4, 6))  # a file holds no infinite number
    assert np.isnan(value) and note == "not computed: frd-score ended with FRD (v1): -inf"


def test_without_the_packages_there_is_no_row(monkeypatch, make_frames):
    monkeypatch.setattr(radiomics, "PACKAGES", ("frd-score", "no-such-package"))
    assert radiomics_packages() is None and "FRD" not in rows_of(make_frames)[0]


@pytest.mark.filterwarnings("default")  # those of the packages
def test_the_distance_is_that_of_the_packages_own_features(tmp_path, make_frames):
    frd = pytest.importorskip("frd_score.frd", reason="pip install 'echobench[radiomics]'")
    pytest.importorskip("radiomics", reason="pip install pyradiomics")
    first, second = (make_frames(2, seed=seed).images.repeat(2, 1).repeat(2, 2) for seed in (0, 1))
    extractor = frd.get_feature_extractor(image_types=["Original", "LoG", "Wavelet"])

    def features(images):
        for image in images:
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(image), str(tmp_path / "one.png"))
            yield frd.process_image_mask_pair((tmp_path / "one.png", None), feature_extractor=extractor)[0]

    of_first, of_second = (np.array([*features(images)], np.float32).astype(float) for images in (first, second))
    mean, std = of_second.mean(axis=0), of_second.std(axis=0)
    scaled = [((found - mean) / np.where(std > 0, std, np.inf)) for found in (of_first, of_second)]
    found, note = radiomics_distance(first, second)
    assert note == "" and (std > 0).sum() > 300
    assert exp(found) == pytest.approx(frechet_distance(*scaled), rel=1e-5)
