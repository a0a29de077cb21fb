"""A preset so small that a whole run takes a second."""

import subprocess
import sys
from contextlib import contextmanager
from functools import partialmethod

import pytest
from matplotlib.figure import Figure
from PIL import Image

from echobench.benchmark import choices
from echobench.benchmark.run import settings
from echobench.benchmark.run.settings import Preset
from echobench.benchmark.stress import settings as stress_settings
from echobench.generators.cyclegan import CycleGanSettings
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.sampling import SamplingSettings
from echobench.generators.diffusion.schedule import ScheduleSettings
from echobench.generators.diffusion.training import TrainingSettings
from echobench.generators.registry import BACKENDS, generator_class
from echobench.generators.sdm import SdmSettings
from echobench.generators.translation.network import TranslatorSettings
from echobench.generators.translation.training import CycleSettings
from echobench.segmentation.settings import UNetSettings
from tests.generators.test_contract import TINY as TINY_TRAINED

TINY_UNET = UNetSettings(
    channels=(4, 8, 16), image_size_px=32, batch_size=4, epochs=None, steps=12, validation_every_steps=6
)
TINY_SDM = SdmSettings(
    schedule=ScheduleSettings(shift=1.0),
    network=NetworkSettings(patch=4, channels=(16, 32), map_channels=16),
    training=TrainingSettings(
        steps=12, batch=4, muon_rate=0.02, warmup_steps=2, precision="32-true", checkpoint_seconds=0.0
    ),
    sampling=SamplingSettings(steps=4, batch=4),
)
TINY_CYCLEGAN = CycleGanSettings(
    network=TranslatorSettings(channels=8, halvings=1, blocks=1, discriminator_channels=4),
    training=CycleSettings(steps=3, batch=2, history=3, checkpoint_seconds=0.0),
)
TINY = {**TINY_TRAINED, "sdm": TINY_SDM, "cyclegan": TINY_CYCLEGAN}

BLANK = Image.new("L", (8, 8), "white")


@pytest.fixture
def tiny(monkeypatch, request):
    """Makes `--preset tiny` known. Figures are made, but their files are blank, because to draw them takes longer
    than a run. A test that has `whole_figures` as well does draw them."""
    make_known(monkeypatch)
    if "whole_figures" not in request.fixturenames:
        monkeypatch.setattr(Figure, "savefig", partialmethod(save_blank, whole=Figure.savefig))


def save_blank(figure, stream, *, whole, **asked):
    """A blank picture; of a report, whose figures are text, the whole one."""
    if asked["format"] == "svg":
        whole(figure, stream, **asked)
    else:
        BLANK.save(stream, asked["format"])


@pytest.fixture
def whole_figures():
    """See `tiny`."""


def make_known(monkeypatch):
    monkeypatch.setattr(choices, "PRESETS", (*choices.PRESETS, "tiny"))
    monkeypatch.setattr(settings, "PRESETS", {**settings.PRESETS, "tiny": Preset(repeats=1, phantom_patients=10)})
    monkeypatch.setattr(settings, "UNET_PRESETS", {**settings.UNET_PRESETS, "tiny": TINY_UNET})
    stressed = {**stress_settings.PRESETS, "tiny": stress_settings.Preset(patients=1, repeats=1)}
    monkeypatch.setattr(stress_settings, "PRESETS", stressed)
    for name in BACKENDS:
        backend = generator_class(name)
        chosen = TINY.get(name, backend.presets["quick"])
        monkeypatch.setattr(backend, "presets", {**backend.presets, "tiny": chosen})


@pytest.fixture
def held_by_another():
    """A context manager: meanwhile another process is at work in a folder."""
    holder = "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(timeout=0)\nprint('held'); "
    holder += "sys.stdout.flush(); input()"

    @contextmanager
    def held(folder):
        command = [sys.executable, "-c", holder, str(folder / ".lock")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout.readline() == "held\n"
            yield
            other.communicate("\n")

    return held
