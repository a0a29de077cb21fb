"""The facts of the paper: held to the presets and to the comments in the code, and the departures that follow."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from echobench.benchmark.run.settings import resolve
from echobench.results.records.run import RECORD
from echobench.results.shown.departures import CONDITIONS, departures, described, facts

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("benchmark", "data", "generators", "results", "segmentation")
SOURCES = {path: path.read_text() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
FACTS = {fact.key: fact for fact in facts()}
IN_TABLE_1 = ("real", "sdm", "cyclegan")
OF_NO_FACT = {
    # What a setting costs, or what has no effect as the paper has it.
    "unet.balance_steps",
    "sdm.training.gradient_checkpointing", "sdm.training.micro_batch", "sdm.training.checkpoint_seconds",
    "sdm.sampling.batch", "sdm.sampling.eta", "sdm.sampling.modulation_gib",
    "cyclegan.training.checkpoint_seconds",
    "cyclegan.training.augmentation.rotation_degrees", "cyclegan.training.augmentation.scale",
}  # fmt: skip


def settings(generator, preset="paper", **changes):
    return resolve(generator=generator, view="all", preset=preset, **changes)


def run(generator, preset="paper", **changes):
    """A run on CAMUS, by the names of the facts."""
    chosen = settings(generator, preset, **changes)
    return described(chosen.published(), dataset="CAMUS", deforms=chosen.backend.deforms, split="official")


def departing(generator, preset="paper", dataset="CAMUS", split="official", **changes):
    chosen = settings(generator, preset, **changes)
    found = departures(chosen.published(), dataset=dataset, deforms=chosen.backend.deforms, split=split)
    return {departure.key: departure.sentence for departure in found}


def comments():
    """Folder and key of every comment that names one."""
    for path, text in SOURCES.items():
        for keys in re.findall(r"Departs from the paper \[([^\]]+)\]", text):
            yield from ((path.relative_to(ROOT).parts[0], key.strip(" #\n")) for key in keys.split(","))


def keys_of_comments():
    return {key for _, key in comments()}


PLACES = {
    "data": ("data", "benchmark"), "maps": ("data", "benchmark"), "generator": ("generators",),
    "unet": ("segmentation",), "sdm": ("generators", "benchmark"), "cyclegan": ("generators",),
    "scoring": ("segmentation", "results"),
}  # fmt: skip
PAPER_RUNS = [run(generator) for generator in IN_TABLE_1]


class TestTable:
    def test_keys_are_unique_and_every_row_is_whole(self):
        assert len(FACTS) == len(facts())
        for fact in facts():
            assert fact.part in PLACES
            assert fact.when in {"", *CONDITIONS}
            assert fact.published in {"paper", "code", "both", "neither"}
            assert fact.source and fact.theirs
            assert fact.paper or fact.published in {"code", "neither"} or fact.code
            assert fact.ours or fact.value or not fact.when, f"{fact.key}: nothing to say of ours"

    def test_every_condition_is_some_facts(self):
        assert set(CONDITIONS) == {fact.when for fact in facts()} - {""}

    @pytest.mark.parametrize("fact", [fact for fact in facts() if fact.value], ids=lambda fact: fact.key)
    def test_a_published_value_is_that_of_the_preset_paper_and_of_the_words(self, fact):
        value = json.loads(fact.value)
        runs = [run for run in PAPER_RUNS if fact.key in run and CONDITIONS[fact.when](run)]
        assert runs, "no preset has this setting"
        for one in runs:
            assert one[fact.key] == value or fact.key in keys_of_comments()
        numbers = [one for one in (value if isinstance(value, list) else [value]) if type(one) in (int, float)]
        said = re.findall(r"\d+\.?\d*", fact.theirs if isinstance(value, list) else fact.theirs.replace(",", ""))
        assert not said or set(numbers) <= set(map(float, said)), fact.theirs

    @pytest.mark.parametrize("generator", IN_TABLE_1)
    def test_every_setting_of_the_preset_paper_has_a_fact(self, generator):
        names = {name for name in run(generator) if name.startswith(("unet.", f"{generator}."))}
        assert names - OF_NO_FACT <= set(FACTS)


class TestComments:
    def test_every_comment_names_a_fact_of_its_folder(self):
        assert keys_of_comments() <= set(FACTS)
        for folder, key in comments():
            assert folder in PLACES[FACTS[key].part], f"{key} in {folder}"

    def test_every_departure_of_the_code_itself_has_a_comment(self):
        fixed = {fact.key for fact in facts() if fact.when and not fact.value}
        assert fixed <= keys_of_comments()

    def test_every_departure_of_the_preset_paper_has_a_comment(self):
        for generator in (*IN_TABLE_1, "warp", "paint"):
            assert set(departing(generator)) <= keys_of_comments()

    def test_there_are_no_comments_of_another_form(self):
        others = {path.name: re.findall(r"Departs from(?! the paper \[).*", text) for path, text in SOURCES.items()}
        assert not {name: found for name, found in others.items() if found}


EVERYWHERE = {
    "data.validation", "data.resizing", "unet.learning_rate", "unet.resampling", "unet.validation",
    "unet.normalisation", "unet.statistics", "scoring.patients", "scoring.absent",
}  # fmt: skip
OF_MAPS = {"data.sector", "maps.resampling", "maps.validation", "maps.outside"}


class TestDepartures:
    @pytest.mark.parametrize(
        ("generator", "own"),
        [
            ("real", set()),
            ("warp", OF_MAPS | {"generator"}),
            ("paint", OF_MAPS | {"generator"}),
            ("cyclegan", OF_MAPS | {"cyclegan.maps", "cyclegan.split", "cyclegan.segmentation"}),
            (
                "sdm",
                OF_MAPS
                | {"sdm.training.likelihood", "sdm.training.precision", "sdm.sampling.grey", "sdm.sampling.outside"},
            ),
        ],
    )
    def test_of_the_preset_paper_on_camus(self, generator, own):
        assert set(departing(generator)) == EVERYWHERE | own

    @pytest.mark.parametrize(
        ("assignment", "sentence"),
        [
            ("generator.training.batch=96", "sdm.training.batch: 96, paper 12"),
            ("generator.training.map_dropout=0.2", "sdm.training.map_dropout: 0.2, paper none"),
            ("generator.sampling.steps=50", "sdm.sampling.steps: 50, paper 1000 (its code)"),
            ('generator.training.phases=["ES"]', "sdm.training.phases: ES, paper ED"),
            ("generator.network.multipliers=[1, 2]", "sdm.network.multipliers: 1,2, paper 1,1,2,2,4,4 (its code)"),
            ("unet.epochs=3", "unet.epochs: 3, paper 300"),
            ("unet.leaky_slope=0.2", "unet.leaky_slope: 0.2, paper 0.1 (its code)"),
        ],
    )
    def test_a_setting_is_held_against_the_paper(self, assignment, sentence):
        more = set(departing("sdm", assignments=[assignment]).values()) - set(departing("sdm").values())
        assert more == {sentence}

    def test_steps_in_place_of_epochs_are_one_departure(self):
        more = departing("real", assignments=["unet.steps=9", "unet.epochs=null"]).keys() - departing("real").keys()
        assert more == {"unet.steps"}
        more = departing("cyclegan", assignments=["generator.training.steps=9"]).keys() - departing("cyclegan").keys()
        assert more == {"cyclegan.training.steps"}

    @pytest.mark.parametrize(
        ("generator", "changes", "sentence"),
        [
            ("warp", {"images": 4}, "maps.images: 4 in all, paper 5 of every frame"),
            ("real", {"images": 4}, "data.images: 4 training images, paper every training frame"),
            ("warp", {"strength": 2}, "maps.strength: 2.0, paper 1"),
            ("real", {"fraction": 0.5}, "data.fraction: 0.5 of the training patients, paper all"),
            ("real", {"unet_seeds": 3}, "scoring.unet_seeds: the mean of 3 U-Nets, paper 1 (its code)"),
            ("real", {"phase": "ED"},
             "data.frames: the U-Net trained and scored on 2C ED, 4C ED, paper on 2C ED, 2C ES, 4C ED and 4C ES"),
            ("real", {"split": "derived, seed 0"},
             "data.split: derived, seed 0, paper the official one with its 50 test patients"),
        ],
    )  # fmt: skip
    def test_a_choice_is_held_against_the_paper(self, generator, changes, sentence):
        more = set(departing(generator, **changes).values()) - set(departing(generator).values())
        assert more - {line for line in more if line.startswith("data.validation")} == {sentence}

    @pytest.mark.parametrize(("view", "phase", "as_published"), [("4C", "ED", True), ("4C", "all", False)])
    def test_sdm_has_a_row_for_every_view_and_phase_alone(self, view, phase, as_published):
        one = replace(settings("sdm"), view=view, phase=phase)
        found = departures(one.published(), dataset="CAMUS", deforms=True)
        assert ("sdm.frames" in {departure.key for departure in found}) != as_published

    def test_the_phantom_is_not_camus_and_nothing_is_held_against_its_files(self):
        found = departing("real", dataset="phantom")
        assert found["data"] == "data: phantom, paper CAMUS"
        assert {"data.validation", "data.resizing"}.isdisjoint(found)

    def test_a_folder_of_images_is_said_to_be_drawn_elsewhere(self, tmp_path, make_camus, make_frames):
        make_camus(tmp_path, make_frames(3), None)
        found = departing(f"folder:{tmp_path}")
        assert "drawn elsewhere" in found["generator.folder"] and str(tmp_path.parent) not in found["generator.folder"]
        assert "generator" not in found

    @pytest.mark.parametrize("generator", ["sdm", "cyclegan"])
    def test_an_own_network_is_said_in_words(self, generator):
        sentences = departing(generator, "quick").values()
        assert not any("Settings(" in sentence or len(sentence) > 200 for sentence in sentences)

    def test_scores_of_other_patients_are_said(self):
        plain = settings("real").published() | {"scored_on": "validation"}
        found = [departure.sentence for departure in departures(plain, dataset="CAMUS", deforms=False)]
        assert "scores: of the validation patients, paper of the test patients" in found

    def test_weights_of_the_heavier_bound_are_told_from_the_published(self):
        plain = settings("sdm").published()
        del plain["generator_settings"]["training"]["bound_weight"]
        found = {departure.key: departure.sentence for departure in departures(plain, dataset="CAMUS", deforms=True)}
        assert found["sdm.training.bound_weight"] == "sdm.training.bound_weight: 1.0, paper 0.001"

    @pytest.mark.parametrize(
        "record", sorted((ROOT / "results" / "measured").rglob(RECORD)), ids=lambda p: p.parent.name
    )
    def test_records_of_before_can_be_judged(self, record):
        kept = json.loads(record.read_text())
        deforms = kept["generator"] != "real" and not kept["generator"].startswith("folder:")
        found = departures(kept["settings"], dataset=kept["dataset"], deforms=deforms, split=kept["split_origin"])
        keys = {departure.key for departure in found}
        settings_named = {line.partition(":")[0] for line in kept["deviations"] if line.startswith("unet.")}
        assert settings_named - keys <= {"unet.epochs", "unet.balance_steps"}, "said in one sentence with another"
        assert ("data" in keys) == (kept["dataset"] == "phantom")
