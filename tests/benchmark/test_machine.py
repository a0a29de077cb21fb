"""What a record says of the machine, from what torch and the system tell."""

import json
from types import MappingProxyType

import pytest
import torch

from echobench.benchmark.run import machine
from echobench.benchmark.run.machine import INSTRUCTION_SETS, describe_machine, instruction_sets, source_commit
from echobench.benchmark.run.stages import StageFolder

X86 = """processor\t: 0
model name\t: Some Xeon
flags\t\t: fpu avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8

processor\t: 1
model name\t: Some Xeon
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd sve bf16\n"


@pytest.fixture
def linux(tmp_path, monkeypatch):
    """A machine of which torch tells nothing and /proc/cpuinfo this: `linux(text)`."""

    def told(text):
        monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
        monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
        (tmp_path / "cpuinfo").write_text(text)

    return told


def test_torch_is_asked_first(linux, monkeypatch):
    linux(ARM)
    told = MappingProxyType({"avx2": True, "avx512_f": True, "amx_tile": False, "sve_max_length": 1, "cpu_name": "x"})
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    assert instruction_sets() == ["AVX-512", "AVX2"]


@pytest.mark.parametrize(
    ("text", "found"),
    [(X86, [name for name in INSTRUCTION_SETS if name not in ("SVE", "NEON")]), (ARM, ["SVE", "NEON"])],
    ids=["x86", "arm"],
)
def test_the_system_is_asked_where_torch_does_not_tell(linux, monkeypatch, text, found):
    linux(text)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert instruction_sets() == found


def test_nothing_is_known_where_nobody_tells(linux):
    linux("")
    assert instruction_sets() is None


def test_the_processors_name_is_the_first_ones(linux):
    linux(X86)
    assert machine.processor() == "Some Xeon"


def test_torch_and_the_system_agree_on_this_machine(monkeypatch):
    known = set(instruction_sets() or ())
    if not known or not machine.CPUINFO.is_file():
        pytest.skip("nobody tells")
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    both = {"AVX-512", "AVX2", "NEON"}  # the others hang on what the kernel lets programs use
    assert set(instruction_sets() or ()) & both == known & both


def test_a_machine_is_described_in_what_json_has():
    found = describe_machine("cpu")
    assert found["torch_threads"] == torch.get_num_threads()
    assert found["torch_capability"] == torch.backends.cpu.get_cpu_capability()
    assert json.loads(json.dumps(found)) == found


def test_a_stage_keeps_its_threads(tmp_path):
    stages = StageFolder(tmp_path, "cpu")
    with stages.opened({}), stages.measured("fit-4C"):
        pass
    assert [stage.threads for stage in stages.stages()] == [torch.get_num_threads()]


def test_a_copy_without_history_is_told_its_commit(monkeypatch):
    monkeypatch.setenv("ECHOBENCH_COMMIT", "abc")
    assert source_commit() == "abc"
