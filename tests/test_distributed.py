"""Two processes that share a batch learn what one process with the whole batch learns."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ddp_worker import TINY_STEADY, run, settings_for
from songs import write_songs
from tiny import clip, tiny_model

from cocola_lib import distributed
from cocola_lib.contrastive import ContrastiveModule, draw_modes, part_groups
from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.loss import contrastive_loss
from cocola_lib.training_data import TrainingData

WORKER = Path(__file__).with_name("ddp_worker.py")


@pytest.fixture(scope="module", params=["group", "pair"])
def both(request, tmp_path_factory):
    """Steps of rank 0, rank 1, and of one process."""
    masking, out = request.param, tmp_path_factory.mktemp("ddp")
    tracks = write_songs(out / "songs")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MASTER_ADDR": "127.0.0.1"}
    command = [sys.executable, str(WORKER), str(out / "songs"), str(out), masking]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    run(tracks, out, settings_for(1, masking), "one")
    steps = [torch.load(out / name, weights_only=True) for name in (f"{masking}.0", f"{masking}.1", "one.0")]
    return *steps, tracks, masking, out


def test_two_processes_have_the_loss_of_one_with_the_whole_batch(both):
    rank0, rank1, one, *_ = both
    torch.testing.assert_close(rank0[0]["loss"], one[0]["loss"])
    torch.testing.assert_close(rank1[0]["loss"], one[0]["loss"])


def test_two_processes_have_the_gradients_of_one_with_the_whole_batch(both):
    rank0, rank1, one, *_ = both
    assert rank0[0]["gradients"].keys() == one[0]["gradients"].keys()
    assert any(gradient.abs().max() > 0 for gradient in one[0]["gradients"].values())
    for name, expected in one[0]["gradients"].items():
        scale = expected.abs().max().item()
        torch.testing.assert_close(rank0[0]["gradients"][name], expected, rtol=1e-3, atol=1e-4 * scale + 1e-7, msg=name)
        assert torch.equal(rank0[0]["gradients"][name], rank1[0]["gradients"][name])


def test_on_cpus_batch_normalisation_uses_each_processs_own_share(both):
    rank0, _, one, tracks, masking, out = both
    settings = settings_for(2, masking)
    data = TrainingData(TINY_STEADY, settings, tracks, out)
    torch.manual_seed(settings.seed)
    module = ContrastiveModule(Cocola(TINY_STEADY.config).to(memory_format=torch.channels_last), settings, [])
    modes = draw_modes(masking, settings.k, settings.seed, 1)
    shares = [module.embed_pairs(*data.train_set(rank, 2)[1], modes[rank::2]) for rank in (0, 1)]
    h1, h2 = (torch.stack(side, dim=1).flatten(0, 1) for side in zip(*shares, strict=True))
    similarities = module.model.similarity(h1, h2)
    expected = contrastive_loss(part_groups(similarities, modes) if masking == "group" else similarities)
    torch.testing.assert_close(rank0[1]["loss"], expected.detach(), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(rank0[1]["loss"], one[1]["loss"], rtol=1e-4)


def test_both_ranks_leave_one_run(both):
    *_, masking, out = both
    assert (out / f"run-{masking}" / "checkpoint" / "model.safetensors").exists()
    history = (out / f"run-{masking}" / "history.csv").read_text(encoding="utf-8").splitlines()
    assert len(history) == 1 + 2 + 1  # two steps, one validation: rank 1 wrote nothing


def test_shares_come_back_in_the_order_of_the_batch():
    batch = torch.arange(12).reshape(6, 2)
    assert torch.equal(distributed._interleave([batch[rank::3] for rank in range(3)]), batch)


@pytest.mark.parametrize("pooling", ["average", "time"])
def test_on_gpus_batch_normalisation_is_shared_and_keeps_its_activations(pooling):
    config = ModelConfig(pooling=pooling, backbone="efficientnet_b0", embedding_dim=64, time_steps=16)
    torch.manual_seed(0)
    model = Cocola(config).eval()
    x = torch.from_numpy(clip()[None])
    expected, names = model(x), list(model.state_dict())
    shared = distributed.share_batch_norm(model)
    kinds = {type(module) for module in shared.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)}
    assert all(issubclass(kind, torch.nn.SyncBatchNorm) for kind in kinds), kinds
    assert list(shared.state_dict()) == names
    torch.testing.assert_close(shared(x), expected)


def test_without_a_process_group_nothing_is_gathered():
    h = torch.randn(3, 4)
    assert distributed.gather(h) is h
    distributed.rank_0_buffers(tiny_model())
