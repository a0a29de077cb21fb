"""Colours: one look for each generator whatever stands beside it, and labels that everybody can tell apart."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from echobench.data.labels import Label
from echobench.generators.registry import BACKENDS
from echobench.results.shown.palette import GENERATORS, LABEL_NAMES, LABELS, REAL, SECTOR, look

# Machado, Oliveira and Fernandes 2009 (doi:10.1109/TVCG.2009.113), severity 1, for linear RGB
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopes": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopes": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def seen(colour, by):
    """CIELAB of a colour as these people see it."""
    values = np.array(to_rgb(colour))
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    there = np.clip(SEEN_BY[by] @ linear, 0, 1)
    return rgb2lab(np.where(there <= 0.0031308, 12.92 * there, 1.055 * there ** (1 / 2.4) - 0.055))


def apart(colours, by):
    """CIEDE2000 of the nearest two."""
    return min(deltaE_ciede2000(seen(one, by), seen(other, by)) for one, other in combinations(colours, 2))


def test_the_simulation_finds_what_nobody_could_tell_apart():
    """The cavity and the wall of earlier pictures, orange and green."""
    assert apart(["#e4572e", "#76b041"], "everybody") > 50
    assert apart(["#e4572e", "#76b041"], "deuteranopes") == pytest.approx(5.2, abs=0.1)


@pytest.mark.parametrize("by", SEEN_BY)
def test_everybody_tells_the_labels_apart(by):
    assert apart([*LABELS.values(), SECTOR], by) >= 20


def test_every_label_but_the_background_has_a_colour_and_a_name():
    assert set(LABELS) == set(LABEL_NAMES) == set(Label) - {Label.BACKGROUND}


def test_every_generator_has_a_look_of_its_own_and_real_alone_is_grey():
    assert set(GENERATORS) <= set(BACKENDS)
    for aspect in zip(*GENERATORS.values(), strict=True):
        assert len(set(aspect)) == len(GENERATORS)
    greys = [name for name in (*GENERATORS, "mine", "folder:x") if len(set(to_rgb(look(name).colour))) == 1]
    assert greys == ["real"] and look("real") == REAL


def test_a_look_is_of_the_name_alone():
    assert look("sdm (images 400)") == look("sdm (steps 20)") == GENERATORS["sdm"]
    others = {name: look(name) for name in ("mine", "folder:thesis", "a", "b")}
    assert others["mine"] == look("mine (strength 2)")
    assert len(set(others.values())) > 1 and not set(others.values()) & set(GENERATORS.values())
    assert others["mine"] == ("#56b4e9", "p"), "pictures of before keep their looks"
