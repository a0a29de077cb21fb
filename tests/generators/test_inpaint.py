"""`inpaint`: what the warp gives stays, what it does not is drawn."""

from dataclasses import replace

import numpy as np
import pytest

from echobench.data.base.errors import EchobenchError
from echobench.data.maps import label_maps, undeformed_maps
from echobench.generators.diffusion.flow import FlowSamplingSettings
from echobench.generators.flow import Flow, FlowSettings
from echobench.generators.inpaint import Inpaint, given_pixels
from echobench.generators.warp import Warp, WarpSettings
from tests.generators.test_contract import TINY


@pytest.fixture
def fitted(make_frames):
    return Inpaint(TINY["inpaint"]).fit(make_frames(4, size=48), seed=0)


def test_given_pixels_are_those_of_the_warp_and_the_others_are_drawn(fitted, make_frames):
    maps = label_maps(make_frames(6, size=48), strength=2.0, repeats=1, seed=3)
    seeds = np.arange(len(maps))
    drawn, warped = fitted.sample(maps, seeds), Warp(WarpSettings()).sample(maps, seeds)
    given = np.stack([given_pixels(maps, i, fitted.settings.stretch)[1] for i in range(len(maps))])
    assert np.array_equal(drawn[given], warped[given])
    missing = maps.sector & ~given
    assert missing.any()
    assert (drawn[missing] != warped[missing]).mean() > 0.5
    assert not drawn[~maps.sector].any()


def test_an_undeformed_map_gives_the_frame_itself(fitted, make_frames):
    maps = undeformed_maps(make_frames(3, size=48))
    drawn = fitted.sample(maps, np.arange(len(maps)))
    assert np.array_equal(drawn, np.where(maps.sector, maps.source.images, 0))


def test_pixels_are_given_up_where_the_warp_stretches_them(make_frames):
    maps = label_maps(make_frames(1, size=48), strength=3.0, repeats=1, seed=1)
    kept = [given_pixels(maps, 0, stretch)[1].sum() for stretch in (1.0, 1.5, 100.0)]
    assert kept[0] < kept[1] < kept[2] <= maps.sector[0].sum()


def test_another_seed_draws_other_pixels_only(fitted, make_frames):
    maps = label_maps(make_frames(4, size=48), strength=2.0, repeats=1, seed=3)
    one, other = fitted.sample(maps, np.arange(len(maps))), fitted.sample(maps, np.arange(len(maps)) + 100)
    given = np.stack([given_pixels(maps, i, fitted.settings.stretch)[1] for i in range(len(maps))])
    assert (one != other).any()
    assert not (one != other)[given].any()


def test_it_draws_with_the_weights_of_a_flow_which_are_its_own(fitted, make_frames, tmp_path):
    maps, seeds = label_maps(make_frames(3, size=48), strength=2.0, repeats=1, seed=3), np.arange(6)
    own = TINY["inpaint"]
    flow = FlowSettings(own.path, own.network, own.training, FlowSamplingSettings(steps=2))
    Flow(flow).fit(make_frames(4, size=48), seed=0).save(tmp_path / "flow.pt")
    loaded = Inpaint.load(tmp_path / "flow.pt").redraw(own)
    assert np.array_equal(loaded.sample(maps, seeds), fitted.sample(maps, seeds))
    Inpaint(own).fit(make_frames(4, size=48), seed=0).save(tmp_path / "inpaint.pt")
    with pytest.raises(EchobenchError, match=r"inpaint\.pt is a generator of the kind inpaint, not flow"):
        Flow.load(tmp_path / "inpaint.pt")


def test_what_is_drawn_anew_may_be_chosen_after_the_training(fitted, make_frames):
    maps, seeds = label_maps(make_frames(3, size=48), strength=3.0, repeats=1, seed=1), np.arange(6)
    everything = fitted.redraw(replace(fitted.settings, stretch=1.0)).sample(maps, seeds)
    assert (everything != fitted.sample(maps, seeds)).any()


def test_presets_differ_from_those_of_flow_in_drawing_alone():
    for name, preset in Inpaint.presets.items():
        flow = Flow.presets[name]
        assert (preset.path, preset.network, preset.training) == (flow.path, flow.network, flow.training)


def test_a_stretch_below_one_is_refused():
    with pytest.raises(EchobenchError, match="stretch"):
        replace(TINY["inpaint"], stretch=0.5)
