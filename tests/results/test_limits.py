"""What a row is not: known from records that were made for it."""

import pytest

from echobench.generators.cyclegan import CycleGan
from echobench.generators.sdm import SemanticDiffusion
from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.limits import TRAININGS, limits, trained_for

DICE = {"a": 0.8, "b": 0.6}
SHORT = {"training": {"steps": 2400, "batch": 4, "epochs": 200}}


@pytest.fixture
def run_of(add_run, make_scores):
    """The only run of a group: `run_of(generator, its settings, seeds=, settings of the run, fields of the record)`."""

    def make(generator, generator_settings, seeds=(0, 0, 0), settings=(), **changes):
        own = {"generator_settings": generator_settings, **dict(settings)}
        folder = add_run(generator, make_scores(DICE, seeds=seeds), settings=own, **changes)
        return Comparison.of([folder]).groups[0].runs[0]

    return make


def test_the_published_trainings_are_those_of_the_preset_of_that_name():
    sdm, cyclegan = (kind.presets["paper"].training for kind in (SemanticDiffusion, CycleGan))
    assert TRAININGS["sdm"].amount == sdm.steps * sdm.batch
    assert (cyclegan.steps, TRAININGS["cyclegan"].amount) == (None, cyclegan.epochs)


def test_images_shown_are_held_against_the_papers(run_of):
    run = run_of("sdm", {"training": {"steps": 5000, "batch": 16}})
    assert limits(run, 3) == "training: 80,000 of 600,000 images"


def test_as_much_training_as_the_papers_is_no_limit(run_of):
    assert limits(run_of("sdm", {"training": {"steps": 37_500, "batch": 16}}), 3) == ""


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({"training_images": 1596}, 2400 * 4 / 798),  # each frame twice
        ({"training_images": 400, "training_patients": 100, "settings": {"images": 400}}, 2400 * 4 / 200),
        ({"training_images": 3192, "settings": {"view": "all"}}, 2400 * 4 / 798),  # a generator for each view
        ({"training_images": 400, "settings": {"images": 400}}, None),
        ({"training_images": 400, "settings": {"phase": "ED"}}, None),
    ],
)
def test_steps_are_epochs_of_the_frames_where_their_number_is_known(run_of, changes, epochs):
    assert trained_for(run_of("cyclegan", SHORT, **changes).record) == (epochs and pytest.approx(epochs))


def test_a_cyclegan_of_twelve_epochs_is_said_to_have_had_twelve_of_two_hundred(run_of):
    assert limits(run_of("cyclegan", SHORT, training_images=1596), 3) == "training: 12 of 200 epochs"


def test_epochs_alone_are_what_they_say(run_of):
    whole, half = ({"training": {"steps": None, "batch": 1, "epochs": epochs}} for epochs in (200, 100))
    assert limits(run_of("cyclegan", whole, name="whole"), 3) == ""
    assert limits(run_of("cyclegan", half, name="half"), 3) == "training: 100 of 200 epochs"


@pytest.mark.parametrize(("seeds", "said"), [(1, "one U-Net seed"), (2, "2 U-Net seeds"), (3, "")])
def test_fewer_unet_seeds_than_the_others_have_are_told(run_of, seeds, said):
    assert limits(run_of("warp", {}, seeds=[0] * seeds), 3) == said


def test_one_seed_is_a_limit_even_where_nobody_has_more(run_of):
    run = run_of("sdm", {"training": {"steps": 300, "batch": 16}}, seeds=(0,))
    assert limits(run, 1) == "training: 4,800 of 600,000 images; one U-Net seed"


def test_settings_of_others_that_are_called_training_say_nothing(run_of):
    assert limits(run_of("mine", {"training": "long"}), 3) == ""
