"""Two processes that share a batch learn what one process with the whole batch learns, batch normalisation included."""

import os
import subprocess
import sys
from pathlib import Path

import ddp_worker
import pytest
import torch
from songs import write_songs
from tiny import clip

from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.models import checkpoints
from cocola_lib.training import distributed

WORKER = Path(__file__).with_name("ddp_worker.py")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder with what two processes left (`2.0`, `2.1`, `run2`), and one (`1.0`, `run1`)."""
    out = tmp_path_factory.mktemp("ddp")
    write_songs(out / "songs")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MASTER_ADDR": "127.0.0.1"}
    command = [sys.executable, str(WORKER), str(out / "songs"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    ddp_worker.run(out / "songs", out, 1)
    return out


@pytest.fixture(scope="module")
def seen(out):
    """What rank 0, rank 1, and one process alone saw."""
    return [torch.load(out / name, weights_only=True) for name in ("2.0", "2.1", "1.0")]


def test_two_processes_have_the_loss_of_one_with_the_whole_batch(seen):
    losses = [[step["loss"].item() for step in steps["steps"]] for steps in seen]
    assert len(losses[0]) == 2
    assert losses[0] == losses[1]
    assert losses[0] == pytest.approx(losses[2], rel=1e-4)


def test_two_processes_have_the_gradients_of_one_with_the_whole_batch(seen):
    for rank0, rank1, one in zip(*(steps["steps"] for steps in seen), strict=True):
        assert rank0["gradients"].keys() == one["gradients"].keys()
        largest = max(gradient.norm() for gradient in one["gradients"].values())
        assert largest > 0
        for name, expected in one["gradients"].items():
            gradient = rank0["gradients"][name]
            # noise of 1e-6 dB on the input moves them as much: float32, and 1 / deviation in every normalisation
            assert (gradient - expected).norm() <= 0.01 * expected.norm() + 1e-4 * largest, name
            assert torch.equal(gradient, rank1["gradients"][name]), name


def test_batch_normalisation_averages_over_the_windows_of_both_processes(seen):
    rank0, rank1, one = (steps["averages"] for steps in seen)
    assert rank0.keys() == one.keys()
    for name, expected in one.items():
        torch.testing.assert_close(rank0[name], expected, rtol=1e-4, atol=1e-5, msg=name)
        assert torch.equal(rank0[name], rank1[name])


def test_both_ranks_leave_one_run_that_loads(out):
    model, config = checkpoints.load(out / "run2" / "checkpoint")
    assert config["training"]["devices"] == 2
    assert model.config == ddp_worker.STEADY.config
    history = (out / "run2" / "history.csv").read_text(encoding="utf-8").splitlines()
    assert len(history) == 1 + 2 + 1  # two steps, one validation: rank 1 wrote nothing


def test_shares_come_back_in_the_order_of_the_batch():
    batch = torch.arange(12).reshape(6, 2)
    assert torch.equal(distributed._interleave(torch.stack([batch[rank::3] for rank in range(3)])), batch)


@pytest.mark.parametrize("pooling", ["average", "time"])
def test_shared_batch_normalisation_is_the_usual_one_in_a_process_alone(pooling):
    config = ModelConfig(pooling=pooling, embedding_dim=64, time_steps=16, dropout=0.0)
    torch.manual_seed(0)
    usual, shared = Cocola(config), Cocola(config)
    names = list(usual.state_dict())
    shared.load_state_dict(usual.state_dict())
    distributed.share_batch_norm(shared)
    assert not any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in shared.modules())
    assert list(shared.state_dict()) == names
    features = usual.features(torch.stack([torch.from_numpy(clip(seed=seed)) for seed in range(4)]))
    for model in (usual, shared):
        for module in model.modules():
            if type(module).__name__ == "DropPath":
                module.drop_prob = 0.0
    torch.testing.assert_close(shared.embed(features), usual.embed(features), rtol=1e-3, atol=1e-4)
    for name, buffer in usual.named_buffers():
        torch.testing.assert_close(shared.get_buffer(name), buffer, rtol=1e-4, atol=1e-5, msg=name)
    torch.testing.assert_close(shared.eval().embed(features), usual.eval().embed(features))


def test_without_a_process_group_nothing_is_gathered():
    h = torch.randn(3, 4)
    assert torch.equal(distributed.gather(h), h)
