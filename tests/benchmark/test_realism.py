"""Feature extractors, and everything measured about a set of drawn images."""

import math
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torch_fidelity
from click.testing import CliRunner
from monai.networks.blocks.convolutions import Convolution
from torch_fidelity import feature_extractor_inceptionv3 as inceptionv3

from echobench.benchmark.cli.entry import main
from echobench.benchmark.measure.realism.distances import frechet_distance, kernel_distance, precision_recall
from echobench.benchmark.measure.realism.diversity import dissimilarity, feature_spread, grey_spread, redraw
from echobench.benchmark.measure.realism.extractors import (
    _ThreeChannels,
    inception_extractor,
    register_unet,
    unet_extractor,
)
from echobench.benchmark.measure.realism.measure import COLUMNS, NO_INCEPTION, measure
from echobench.benchmark.measure.realism.weights import DOWNLOAD, GET, VARIABLE, cached_inception, find_inception
from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import file_sha256
from echobench.data.labels import TABLE_REGIONS
from echobench.data.maps import label_maps
from echobench.generators.paint import Paint, PaintSettings
from echobench.generators.warp import Warp, WarpSettings
from echobench.results.shown.overview import GET_FID
from echobench.segmentation.segmenter import Preprocessing, Segmenter
from echobench.segmentation.settings import UNetSettings

SIZE_PX = 32
SETTINGS = UNetSettings(channels=(4, 8, 16), image_size_px=SIZE_PX)
CPU = torch.device("cpu")


def random_unet(seed=0):
    return Segmenter(SETTINGS.build(seed).eval(), SETTINGS, Preprocessing(SIZE_PX, 0.2, 0.25))


class Reader(Segmenter):
    """Reads the labels off images whose grey values are 60 times the label."""

    def predict(self, images, *, batch_size=16):
        return images // 60


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """An empty cache of weights, and no way to fill it."""

    def refuse(*_, **__):
        raise AssertionError("a download was tried")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(inceptionv3, "load_state_dict_from_url", refuse)


@pytest.fixture
def real(make_frames):
    """Training and held-out frames of different patients."""
    return make_frames(40, seed=0), make_frames(16, seed=1, first=101)


def measured(drawn, real, reference=None, **options):
    training, heldout = real
    reference = reference or random_unet()
    return measure(drawn, training, training, heldout, reference, reference_split="training", **options).rows


def rows(table, metric, extractor=None):
    found = table[table["metric"] == metric]
    return found if extractor is None else found[found["extractor"] == extractor]


def test_features_are_the_means_at_the_bottom_of_the_network(make_frames):
    reference, images = random_unet(), make_frames(2).images
    bottom = [m for m in reference.network.modules() if isinstance(m, Convolution)][len(SETTINGS.channels) - 1]
    seen = []
    bottom.conv.register_forward_hook(lambda _, __, output: seen.append(output.mean(dim=(2, 3))))
    reference.predict(images)
    features = unet_extractor(reference).features(images)
    assert features.shape == (4, 16)
    np.testing.assert_allclose(features, seen[0].numpy(), atol=1e-5)


def test_features_do_not_depend_on_the_batch_and_leave_the_network_alone(make_frames):
    reference, images = random_unet(), make_frames(4).images
    extractor = unet_extractor(reference)
    np.testing.assert_allclose(extractor.features(images), extractor.features(images, batch_size=3), atol=1e-5)
    assert all(weights.requires_grad for weights in reference.network.parameters())


def test_torch_fidelity_takes_the_extractor_by_name(make_frames, tmp_path):
    reference, first, second = random_unet(), make_frames(8, seed=0).images, make_frames(8, seed=1).images // 3
    reference.save(tmp_path / "unet.pt")
    register_unet()
    theirs = torch_fidelity.calculate_metrics(
        input1=_ThreeChannels(first),
        input2=_ThreeChannels(second),
        feature_extractor="echobench-unet",
        feature_extractor_weights_path=str(tmp_path / "unet.pt"),
        fid=True, kid=True, prc=True, kid_subsets=1, kid_subset_size=16, cuda=False, save_cpu_ram=True, verbose=False,
    )  # fmt: skip
    drawn, real = (unet_extractor(reference).features(images) for images in (first, second))
    assert frechet_distance(drawn, real) == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
    assert kernel_distance(drawn, real) == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-3, abs=0)
    assert precision_recall(drawn, real) == pytest.approx((theirs["precision"], theirs["recall"]))


def test_the_hash_is_of_the_weights_wherever_they_lie(tmp_path):
    random_unet().save(tmp_path / "unet.pt")
    hashes = [unet_extractor(s).weights_sha256 for s in (random_unet(), Segmenter.load(tmp_path / "unet.pt"))]
    assert hashes[0] == hashes[1] != unet_extractor(random_unet(1)).weights_sha256


def test_no_weights_of_inception_means_none():
    assert inception_extractor(None, CPU) is None


def test_unfit_weights_of_inception_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(EchobenchError, match="there is no file"):
        inception_extractor(tmp_path / "missing.pth", CPU)
    other = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(3)}, other)
    with pytest.raises(EchobenchError, match="does not hold torch-fidelity's weights"):
        inception_extractor(other, CPU)
    other.write_bytes(b"truncated")
    with pytest.raises(EchobenchError, match="does not hold torch-fidelity's weights"):
        inception_extractor(other, CPU)


def test_code_in_a_file_of_weights_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").touch, ()

    torch.save(Trap(), tmp_path / "trap.pth")
    with pytest.raises(EchobenchError, match="does not hold torch-fidelity's weights"):
        inception_extractor(tmp_path / "trap.pth", CPU)
    assert not (tmp_path / "sprung").exists()


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """A file of InceptionV3's architecture, with random weights."""
    path = tmp_path / "stand-in.pth"
    with monkeypatch.context() as patch:
        patch.setattr(inceptionv3, "load_state_dict_from_url", lambda *_, **__: None)
        patch.setattr(inceptionv3.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        torch.save(inceptionv3.FeatureExtractorInceptionV3("random", ["2048"]).state_dict(), path)
    return path


def test_inception_is_used_where_its_weights_are_cached(make_frames, stand_in):
    cached_inception().parent.mkdir(parents=True)
    stand_in.rename(cached_inception())
    extractor = inception_extractor(None, CPU)
    assert extractor.features(make_frames(1).images).shape == (2, 2048)
    assert extractor.provenance()["resize"].endswith("299×299")
    assert len(extractor.weights_sha256) == 64


def test_weights_are_those_asked_for_then_those_of_the_variable_then_the_cached_ones(monkeypatch, tmp_path):
    assert find_inception() is None
    named, set_, cached = tmp_path / "named.pth", tmp_path / "set.pth", cached_inception()
    cached.parent.mkdir(parents=True)
    for path in (named, set_, cached):
        path.write_bytes(b"weights")
    assert find_inception() == cached
    monkeypatch.setenv(VARIABLE, str(set_))
    assert find_inception() == set_ and find_inception(named) == named
    set_.unlink()
    with pytest.raises(EchobenchError, match=f"there is no file .*set.pth; {VARIABLE} takes"):
        find_inception()


def test_weights_are_downloaded_where_that_is_asked_for_and_once(monkeypatch):
    asked = []

    def download(url, path, sha256):
        asked.append((url, sha256))
        Path(path).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for _ in range(2):
        assert find_inception(DOWNLOAD) == cached_inception()
    assert asked == [(inceptionv3.URL_INCEPTION_V3, "6726825d")]


def test_without_a_network_a_download_says_what_to_do(monkeypatch):
    def unreachable(*_):
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    result = CliRunner().invoke(main, ["weights", "--get", "inception"])
    assert result.exit_code == 1 and "fetch it on another machine and name the file with --inception" in result.stderr


def test_the_list_of_weights_says_where_they_lie_or_what_to_type(monkeypatch, stand_in):
    missing = CliRunner().invoke(main, ["weights"]).stdout
    assert f"`{GET}`" in missing and str(cached_inception()) in missing and "unet-0.pt" in missing
    monkeypatch.setenv(VARIABLE, str(stand_in))
    there = CliRunner().invoke(main, ["weights"]).stdout
    assert f"{stand_in}\n" in there and file_sha256(stand_in) in there and "not the published file" in there
    assert "unknown weights 'dino'" in CliRunner().invoke(main, ["weights", "--get", "dino"]).stderr
    assert GET.split()[1:] == ["weights", "--get", "inception"] and GET == GET_FID


def test_fid_is_of_all_images_or_of_as_many_as_are_asked_for(make_frames, stand_in):
    real, drawn = (make_frames(10, seed=0), make_frames(6, seed=1, first=101)), make_frames(10, seed=2)
    for images, (n_drawn, n_real, n_floor) in ((14, (14, 14, 12)), (None, (20, 20, 12))):
        found = measure(
            drawn, real[0], *real, random_unet(), reference_split="training", inception=stand_in, images=images
        )
        fid, infinity = (rows(found.rows, metric).iloc[0] for metric in ("FID", "FID∞"))
        assert (fid["n_drawn"], fid["n_real"]) == (infinity["n_drawn"], infinity["n_real"]) == (n_drawn, n_real)
        assert fid["value"] > 0 and fid["held_out"] > 0 and not math.isnan(infinity["value"])
        curve = found.curves[found.curves["metric"] == "FID"]
        assert curve.groupby("whose")["n"].max().to_dict() == {"drawn": n_drawn, "real": n_floor}
        assert curve[curve["whose"] == "drawn"]["distance"].iloc[-1] == fid["value"]
        assert rows(found.rows, "FD-UNet∞").iloc[0]["n_drawn"] == n_drawn
    whole = inception_extractor(stand_in, CPU)
    first, second = (whole.features(frames.images) for frames in (drawn, real[0]))
    assert fid["value"] == pytest.approx(frechet_distance(first, second))


def test_the_table_says_what_is_compared_with_what(real):
    drawn = real[0]
    table = measured(drawn, real)
    assert tuple(table.columns) == COLUMNS
    assert set(table["reference_split"]) == {"training", "held-out"}
    unet = table[table["extractor"] == "echobench-unet"]
    assert {"FD-UNet", "KD-UNet", "precision", "recall", "density", "coverage"} <= set(unet["metric"])
    ours = table[table["metric"].isin(["FD-UNet∞", "FWD", "grey values", "signal to noise"])]
    assert set(ours["reference_split"]) == {"held-out"} and ours["held_out"].notna().all()
    assert unet["weights_sha256"].nunique() == 1
    assert set(unet["resize"]) == {"none"}
    assert not {"FID", "KID"} & set(unet["metric"])
    missing = table[table["note"] == NO_INCEPTION]
    assert list(missing["metric"]) == ["FID", "FID∞", "KID", "precision", "recall", "density", "coverage"]
    assert GET in NO_INCEPTION
    assert missing["value"].isna().all()


def test_equal_subsets_whatever_the_number_of_drawn_images(real, make_frames):
    table = measured(make_frames(30), real)
    distance = rows(table, "FD-UNet").iloc[0]
    assert (distance["n_drawn"], distance["n_real"]) == (16, 16)  # half of the 32 held-out frames
    assert "rank 15" in distance["note"]
    again = measured(make_frames(30, seed=5), real)
    assert rows(again, "FD-UNet").iloc[0]["held_out"] == distance["held_out"]  # the floor is everybody's
    assert rows(measured(make_frames(30), real, subset=8), "FD-UNet").iloc[0]["n_drawn"] == 8


def test_real_frames_reach_the_floor_and_noise_does_not(real, make_frames):
    other = make_frames(30, seed=7, first=201)
    noise = np.random.default_rng(0).integers(0, 256, other.images.shape).astype(np.uint8) * other.sector
    floor = rows(measured(other, real), "FD-UNet").iloc[0]
    assert floor["value"] < floor["held_out"] + 3 * floor["held_out_spread"]
    for metric in ("FD-UNet", "KD-UNet"):
        row = rows(measured(replace(other, images=noise), real), metric).iloc[0]
        assert row["value"] > row["held_out"] + 3 * row["held_out_spread"]


def test_copies_are_flagged_and_noise_and_paint_are_not(real):
    training = real[0]
    copies = Warp(WarpSettings())
    maps = label_maps(training, strength=0, repeats=1, seed=0)
    painted = Paint(PaintSettings()).fit(training, 0).sample(maps, np.arange(len(maps)))
    noise = np.random.default_rng(0).integers(0, 256, painted.shape).astype(np.uint8) * training.sector
    flags = {}
    for name, images in (("copies", copies.sample(maps, np.arange(len(maps)))), ("paint", painted), ("noise", noise)):
        flags[name] = list(rows(measured(maps.with_images(images), real), "memorised")["flagged"])
    assert flags == {"copies": [True, True], "paint": [False, False], "noise": [False, False]}


def test_adherence_of_images_that_follow_their_map_and_of_images_that_do_not(real):
    drawn, (training, heldout) = real[0], real
    unet = random_unet()
    reference = Reader(unet.network, unet.settings, unet.preprocessing)
    seen = [replace(frames, images=frames.labels * np.uint8(60)) for frames in (training, heldout)]
    following = measured(replace(drawn, images=drawn.labels * np.uint8(60)), seen, reference)
    ignoring = measured(replace(drawn, images=np.roll(drawn.labels, 11, axis=2) * np.uint8(60)), seen, reference)
    adherence = rows(following, "adherence").set_index("region")
    assert {*TABLE_REGIONS, "mean"} <= set(adherence.index)
    assert (adherence["value"] == 1).all()
    assert (adherence["held_out"] == 1).all()
    assert (rows(ignoring, "adherence")["value"] < 0.5).all()


def test_diversity_is_nothing_where_the_seed_does_nothing(real):
    training = real[0]
    extractor = unet_extractor(random_unet())
    features = extractor.features(training.images)
    maps = label_maps(training, strength=1, repeats=1, seed=0).select(slice(0, 6))
    fixed, varied = redraw(Warp(WarpSettings()), maps), redraw(Paint(PaintSettings()).fit(training, 0), maps, times=3)
    assert varied.images.shape == (6, 3, SIZE_PX, SIZE_PX)
    for spread in (grey_spread, dissimilarity, lambda redrawn: feature_spread(redrawn, extractor.features, features)):
        assert spread(fixed) == pytest.approx(np.zeros(6), abs=1e-6)
        assert (spread(varied) > 0.05).all()
    table = measured(training, real, redrawn=varied)
    assert list(rows(table, "diversity of grey values")["value"]) == [pytest.approx(grey_spread(varied).mean())]
    assert rows(table, "diversity of features").iloc[0]["n_drawn"] == 18


def test_grey_spread_by_hand(real):
    maps = label_maps(real[0], strength=0, repeats=1, seed=0).select(slice(0, 1))
    redrawn = redraw(Warp(WarpSettings()), maps, times=2)
    lifted = redrawn.images.copy()
    lifted[0, 1] = lifted[0, 0] // 2
    half = lifted[0, 0].astype(float) - lifted[0, 1]
    expected = (half / np.sqrt(2))[redrawn.sector[0]].mean()
    assert grey_spread(replace(redrawn, images=lifted)) == pytest.approx([expected], rel=1e-5)


def test_bad_input_is_refused_in_one_sentence(real, make_frames):
    training, drawn = real[0], make_frames(10)
    with pytest.raises(EchobenchError, match="is held out and among the training frames"):
        measured(drawn, (training, training))
    with pytest.raises(EchobenchError, match="at least 6 frames, these are 5"):
        measured(make_frames(5), real)
    with pytest.raises(EchobenchError, match="subsets of 30 frames cannot be taken from 20 drawn ones"):
        measured(drawn, real, subset=30)
    with pytest.raises(EchobenchError, match="frames of different sizes"):
        measured(make_frames(10, size=64), real)
