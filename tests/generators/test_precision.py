"""Half precision is left out where a processor has none, since it is far slower there than float32."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from echobench.benchmark.run import pipeline
from echobench.benchmark.run.settings import resolve
from echobench.data.maps import label_maps
from echobench.generators.diffusion.network import NetworkSettings
from echobench.generators.diffusion.sampling import SamplingSettings
from echobench.generators.diffusion.schedule import ScheduleSettings
from echobench.generators.diffusion.training import TrainingSettings
from echobench.generators.sdm import SdmSettings, SemanticDiffusion
from echobench.generators.training import muon, precision
from echobench.generators.training.precision import autocast, has_bf16, in_bf16
from echobench.results.records.run import Stage
from tests.conftest import toy_frames

CPU = torch.device("cpu")


def without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (precision, pipeline, muon):
        monkeypatch.setattr(module, "has_bf16", lambda kind: kind != "cpu")


def test_a_gpu_has_it_and_a_processor_where_torch_says_so() -> None:
    assert has_bf16("cuda")
    assert has_bf16("cpu") == torch.ops.mkldnn._is_mkldnn_bf16_supported()


@pytest.mark.parametrize(("there", "asked", "used"), [(True, "bf16-mixed", True), (False, "bf16-mixed", False)])
def test_it_is_used_where_it_is_asked_for_and_there(monkeypatch, there, asked, used) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda kind: there)
    assert in_bf16(CPU, asked) == used
    assert not in_bf16(CPU, "32-true")
    with autocast(CPU, asked):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (torch.bfloat16 if used else torch.float32)


def test_without_it_weights_and_images_are_those_of_float32(monkeypatch) -> None:
    without_bf16(monkeypatch)
    frames = toy_frames(patients=2, size=32)
    maps = label_maps(frames, strength=0.0, repeats=1, seed=0)
    tiny = SdmSettings(
        schedule=ScheduleSettings(),
        network=NetworkSettings(patch=4, channels=(16, 32), map_channels=16),
        training=TrainingSettings(steps=2, batch=4),
        sampling=SamplingSettings(steps=2, batch=4),
    )
    drawn = []
    for asked in ("bf16-mixed", "32-true"):
        settings = replace(tiny, training=replace(tiny.training, precision=asked))
        generator = SemanticDiffusion(settings).fit(frames, 0)
        drawn.append(generator.sample(maps, np.arange(len(maps))))
    assert np.array_equal(*drawn)


def test_a_run_says_so(monkeypatch) -> None:
    settings = resolve(generator="sdm", view="4C", preset="quick")
    said = "this processor has no bf16, so sdm trained and drew in float32"
    without_bf16(monkeypatch)
    fit = Stage("fit-4C", 1.0, 1.0)
    assert [*pipeline._roundings(settings, "cpu", [fit])] == [said]
    taken = [*pipeline._roundings(settings, "cpu", [replace(fit, taken=True), Stage("read", 1.0, 1.0)])]
    assert taken == ["this processor has no bf16, so sdm drew in float32"]
    assert not [*pipeline._roundings(settings, "cuda:1", [fit])]
    assert not [*pipeline._roundings(resolve(generator="warp", view="4C", preset="quick"), "cpu", [fit])]
    monkeypatch.setattr(pipeline, "has_bf16", lambda kind: True)
    assert not [*pipeline._roundings(settings, "cpu", [fit])]
