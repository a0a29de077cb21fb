"""Stored generators and checkpoints whose content is not what it must be: a sentence, whatever it is."""

import shutil
from itertools import permutations

import pytest
import torch

from echobench.data.base.errors import EchobenchError
from echobench.generators.cyclegan import CycleGan, CycleGanSettings
from echobench.generators.folder import Folder, FolderSettings
from echobench.generators.paint import Paint
from echobench.generators.registry import generator_class
from echobench.generators.testing import examples
from echobench.generators.trained import load_trained
from echobench.generators.translation.network import TranslatorSettings
from echobench.generators.translation.training import CycleSettings
from tests.generators.test_contract import TINY as CONTRACT

TINY = CycleGanSettings(
    TranslatorSettings(channels=4, halvings=1, blocks=1, discriminator_channels=4),
    CycleSettings(steps=2, batch=1, history=1, checkpoint_seconds=0.0),
)


@pytest.fixture
def stored(make_frames, tmp_path, tmp_path_factory):
    """A CycleGAN, its training and a paint, made once for all tests."""
    kept = tmp_path_factory.getbasetemp() / "stored"
    if not kept.exists():
        CycleGan(TINY).fit(make_frames(1), 0, folder=kept).save(kept / "cyclegan.pt")
        Paint(Paint.presets["quick"]).fit(make_frames(1), 0).save(kept / "paint.pt")
    return shutil.copytree(kept, tmp_path / "stored")


def change(path, *place, to=None):
    """An entry of a nested file replaced; None takes it away."""
    content = torch.load(path, weights_only=True)
    inner = content
    for name in place[:-1]:
        inner = inner[name]
    if to is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = to
    torch.save(content, path)


GENERATOR = [
    (["vocabulary"], None),
    (["vocabulary"], {"LA": True}),
    (["settings"], None),
    (["settings"], 5),
    (["settings", "network", "blocks"], 10**30),
    (["settings", "network", "channels"], 2**40),
    (["settings", "network", "channels"], -4),
    (["settings", "training", "learning_rate"], torch.zeros(3)),
    (["size"], [32]),
    (["size"], [33, -1]),
    (["views"], "4C"),
    (["generator"], ["cyclegan"]),
    (["format"], torch.zeros(3)),
    (["weights"], {}),
    (["weights", "0.layers.0.weight"], torch.zeros(3)),
    (["weights", "0.layers.0.weight"], "x"),
]


@pytest.mark.parametrize(("place", "to"), GENERATOR, ids=lambda value: str(value)[:40])
def test_a_generator_that_does_not_fit_is_refused(stored, place, to):
    if place[-1] == "0.layers.0.weight":
        weights = torch.load(stored / "cyclegan.pt", weights_only=True)["weights"]
        place = ["weights", next(iter(weights))]
    change(stored / "cyclegan.pt", *place, to=to)
    with pytest.raises(EchobenchError, match=r"cyclegan\.pt|unknown generator"):
        load_trained(stored / "cyclegan.pt")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder for each kind of trained generator, with its file and its training."""
    kept, frames = tmp_path_factory.mktemp("trained"), examples(Paint, patients=1)[0]
    for name, settings in CONTRACT.items():
        generator_class(name)(settings).fit(frames, 0, folder=kept / name).save(kept / name / "generator.pt")
    return kept


@pytest.mark.parametrize(("kind", "other"), [*permutations(CONTRACT, 2)])
def test_a_file_of_one_kind_given_to_another_is_refused(trained, kind, other):
    backend = generator_class(other)
    if kind in backend.draws_with:
        assert backend.load(trained / kind / "generator.pt").parameters
        return
    with pytest.raises(EchobenchError, match=rf"generator\.pt is a generator of the kind {kind}, not {other}: load"):
        backend.load(trained / kind / "generator.pt")
    assert load_trained(trained / kind / "generator.pt").name == kind


@pytest.mark.parametrize(("kind", "other"), [*permutations(CONTRACT, 2)])
def test_a_training_of_one_kind_is_not_gone_on_with_by_another(trained, tmp_path, kind, other):
    shutil.copy(trained / kind / "training.pt", tmp_path)
    before = (tmp_path / "training.pt").read_bytes()
    with pytest.raises(EchobenchError, match=rf"training\.pt belongs to another training: generator is '{kind}', not"):
        generator_class(other)(CONTRACT[other]).fit(examples(Paint, patients=1)[0], 0, folder=tmp_path)
    assert (tmp_path / "training.pt").read_bytes() == before, "what was trained is lost"


TRAINING = [
    (["identity"], None),
    (["identity", "seed"], torch.zeros(2)),
    (["state"], None),
    (["state", "step"], -1),
    (["state", "step"], 10**12),
    (["state", "curve"], []),
    (["state", "curve"], 5),
    (["state", "sums"], {"loss": "x"}),
    (["state", "networks"], {}),
    (["state", "average"], None),
    (["state", "optimizers"], []),
    (["state", "rates"], [{"last_epoch": 2}] * 2),
    (["state", "history"], None),
    (["state", "history"], {"images": [], "maps": []}),
]


@pytest.mark.parametrize(("place", "to"), TRAINING, ids=lambda value: str(value)[:40])
def test_a_training_that_does_not_fit_is_not_gone_on_with(stored, make_frames, place, to):
    change(stored / "training.pt", *place, to=to)
    with pytest.raises(EchobenchError, match=r"training\.pt"):
        CycleGan(TINY).fit(make_frames(1), 0, folder=stored)


@pytest.mark.parametrize("to", [None, torch.zeros(3), torch.full((68, 257), 1e9), "x"])
def test_a_paint_that_does_not_fit_is_refused(stored, to):
    change(stored / "paint.pt", "tables", to=to)
    with pytest.raises(EchobenchError, match=r"paint\.pt is damaged"):
        Paint.load(stored / "paint.pt")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": 5}', '{"sha": ""}', "[" * 100_000])
def test_damaged_settings_of_a_folder_are_named(tmp_path, text):
    Folder(FolderSettings("a" * 64)).save(tmp_path / "folder.pt")
    assert Folder.load(tmp_path / "folder.pt").settings == FolderSettings("a" * 64)
    (tmp_path / "folder.pt").write_text(text)
    with pytest.raises(EchobenchError, match=r"folder\.pt"):
        Folder.load(tmp_path / "folder.pt")
