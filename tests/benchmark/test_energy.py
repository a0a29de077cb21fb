"""Energy: what counters advance, across their turn, of those that may be read."""

from types import SimpleNamespace

import pynvml
import pytest

from echobench.benchmark.measure import energy
from echobench.benchmark.measure.energy import EnergyCounter
from echobench.benchmark.run import machine


def zone(folder, name, microjoules, range_uj=1_000_000):
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "energy_uj").write_text(f"{microjoules}\n")
    (place / "max_energy_range_uj").write_text(f"{range_uj - 1}\n")


def test_packages_add_up_across_their_turn_and_their_parts_do_not_count(tmp_path):
    zone(tmp_path, "intel-rapl:0", 900_000)
    zone(tmp_path, "intel-rapl:0:0", 5)
    zone(tmp_path, "intel-rapl:1", 0)
    counter = EnergyCounter.of("cpu", tmp_path)
    assert counter.joules == 0
    zone(tmp_path, "intel-rapl:0", 100_000)  # 200,000 further
    zone(tmp_path, "intel-rapl:0:0", 900_000)
    zone(tmp_path, "intel-rapl:1", 300_000)
    counter.update()
    counter.update()
    assert counter.joules == pytest.approx(0.5)


def test_a_machine_that_does_not_tell(tmp_path):
    (tmp_path / "intel-rapl:0").mkdir()  # without a counter that may be read
    counter = EnergyCounter.of("cpu", tmp_path)
    counter.update()
    assert counter.joules is None


def test_a_gpu_is_found_by_its_uuid(tmp_path, monkeypatch):
    millijoules = {"GPU-of-mine": 4000}
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", lambda uuid: uuid)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", millijoules.__getitem__)
    properties = SimpleNamespace(uuid="of-mine")
    monkeypatch.setattr(energy.torch.cuda, "get_device_properties", lambda device: properties)
    counter = EnergyCounter.of("cuda", tmp_path)
    millijoules["GPU-of-mine"] = 7500
    counter.update()
    assert counter.joules == pytest.approx(3.5)


def test_no_driver_is_no_counter(tmp_path, monkeypatch):
    def absent():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)
    assert EnergyCounter.of("cuda", tmp_path).joules is None


def test_a_stage_is_metered(tmp_path, monkeypatch):
    zone(tmp_path, "intel-rapl:0", 0)
    counter = EnergyCounter.of("cpu", tmp_path)
    monkeypatch.setattr(machine.EnergyCounter, "of", lambda device: counter)
    with machine.Meter("cpu") as meter:
        zone(tmp_path, "intel-rapl:0", 250_000)
    assert meter.energy_joules == pytest.approx(0.25)


def test_a_job_among_others_does_not_take_their_joules_for_its_own(tmp_path, monkeypatch):
    zone(tmp_path, "intel-rapl:0", 0)
    counter = EnergyCounter.of("cpu", tmp_path)
    monkeypatch.setattr(machine.EnergyCounter, "of", lambda device: counter)
    monkeypatch.setattr(machine, "_jobs", 2)
    with machine.Meter("cpu") as meter:
        zone(tmp_path, "intel-rapl:0", 250_000)
    assert meter.energy_joules is None
