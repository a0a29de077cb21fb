"""Files of tensors: one bit, another layout, another content."""

import shutil
import zipfile

import pytest
import torch

from echobench.data.base.errors import EchobenchError
from echobench.data.base.saved import load_optimizer, read_saved, require_alike, taken_from, write_saved


@pytest.fixture
def saved(tmp_path):
    write_saved(tmp_path / "a.pt", {"weights": torch.arange(1000.0), "step": 3})
    return tmp_path / "a.pt"


def test_what_was_written_is_read(saved):
    content = read_saved(saved)
    assert content["step"] == 3 and torch.equal(content["weights"], torch.arange(1000.0))


@pytest.mark.parametrize("at", range(1000, 4000, 500))
def test_one_bit_of_a_weight_is_noticed(saved, at):
    data = bytearray(saved.read_bytes())
    data[at] ^= 1
    saved.write_bytes(data)
    with pytest.raises(EchobenchError, match=r"a\.pt cannot be read: it is damaged"):
        read_saved(saved)


@pytest.mark.parametrize(
    "content", [torch.zeros(1).expand(2**33), torch.eye(3).to_sparse(), [[torch.zeros(1).expand(99)]]]
)
def test_a_tensor_that_would_take_more_than_it_has_is_refused(tmp_path, content):
    torch.save({"weights": content}, tmp_path / "a.pt")
    with pytest.raises(EchobenchError, match="cannot be read"):
        read_saved(tmp_path / "a.pt")


def test_a_compressed_file_is_refused(saved, tmp_path):
    with zipfile.ZipFile(saved) as plain, zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    shutil.copy(tmp_path / "b.pt", saved)
    with pytest.raises(EchobenchError, match="cannot be read"):
        read_saved(saved)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"a": torch.zeros(2)}, "weights has not the names"),
        ({"a": torch.zeros(3), "b": [1]}, "weights.a is 3 torch.float32, not 2 torch.float32"),
        ({"a": torch.zeros(2, dtype=torch.float64), "b": [1]}, "weights.a is 2 torch.float64"),
        ({"a": [0.0, 0.0], "b": [1]}, "weights.a is of another type"),
        ({"a": torch.zeros(2), "b": [1, 2]}, "weights.b has 2 entries, not 1"),
        ([], "weights is of another type"),
    ],
)
def test_what_is_not_alike_is_named(tmp_path, found, says):
    with (
        pytest.raises(EchobenchError, match=f"a.pt is damaged, or not what it is taken for: {says}"),
        taken_from(tmp_path / "a.pt"),
    ):
        require_alike(found, {"a": torch.zeros(2), "b": [5]}, "weights")


def stepped(rate=0.1):
    weights = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weights], rate)
    weights.sum().backward()
    optimizer.step()
    return optimizer


def test_an_optimiser_goes_on_from_its_own_state_alone():
    state = stepped().state_dict()
    load_optimizer(fresh := torch.optim.Adam([torch.nn.Parameter(torch.ones(2))], 0.1), state, "it")
    assert fresh.state_dict()["state"][0]["exp_avg"].tolist() == state["state"][0]["exp_avg"].tolist()
    changes = [
        {"param_groups": []},
        {"param_groups": [state["param_groups"][0] | {"betas": (0.5, 7.0)}]},
        {"param_groups": [state["param_groups"][0] | {"lr": -1.0}]},
        {"state": {5: {}}},
        {"state": {0: state["state"][0] | {"exp_avg": torch.zeros(3)}}},
        {"state": {0: {"step": torch.zeros(())}}},
    ]
    for change in changes:
        with pytest.raises(ValueError, match="it"):
            load_optimizer(torch.optim.Adam([torch.nn.Parameter(torch.ones(2))], 0.1), state | change, "it")


def test_what_adam_keeps_is_not_what_muon_keeps():
    weights = torch.nn.Parameter(torch.ones(2, 2))
    of_adam, of_muon = torch.optim.Adam([weights], 0.1), torch.optim.Muon([weights], 0.1)
    weights.sum().backward()
    of_adam.step(), of_muon.step()
    load_optimizer(torch.optim.Muon([weights], 0.1), of_muon.state_dict(), "it")
    kept = of_muon.state_dict() | {"state": of_adam.state_dict()["state"]}
    with pytest.raises(ValueError, match="it"):
        load_optimizer(torch.optim.Muon([weights], 0.1), kept, "it")
