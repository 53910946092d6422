"""The COCOLA Score as a torchmetrics metric and a Lightning callback, on one device or several."""

import lightning
import numpy as np
import pytest
import torch
from tiny import clip, tiny_scorer

from cocola_lib.accompaniment.metric import CocolaScore, ScoreGenerator

CLIPS = torch.from_numpy(np.stack([clip(seed=i) for i in range(8)]))


def scores(scorer, a, b, mode="both"):
    return [getattr(scorer.score(x.numpy(), y.numpy()), mode) for x, y in zip(a, b, strict=True)]


def test_the_mean_is_that_of_the_scorer_per_mode_over_all_updates():
    scorer = tiny_scorer()
    metric = CocolaScore(scorer)
    metric.update(CLIPS[:1], CLIPS[4:5])
    metric.update(CLIPS[1:4], CLIPS[5:])
    found = metric.compute()
    for mode in ("both", "harmonic", "percussive"):
        expected = scores(scorer, CLIPS[:4], CLIPS[4:], mode)
        assert float(found[mode]) == pytest.approx(np.mean(expected), abs=1e-5)
        assert min(expected) - 1e-5 <= float(found[f"{mode}_low"]) <= float(found[mode]) <= float(found[f"{mode}_high"])
    assert found["n"] == 4
    metric.reset()
    assert torch.isnan(metric.compute()["both"]) and metric.compute()["n"] == 0


def test_two_devices_report_what_one_with_all_pairs_would():
    scorer, parts = tiny_scorer(), []
    for half in (slice(0, 1), slice(1, 4)):
        part = CocolaScore(scorer, modes="both")
        part.update(CLIPS[:4][half], CLIPS[4:][half])
        parts.append(torch.cat(part.both))
    gather = lambda state, group=None: [torch.cat(parts)[:1], torch.cat(parts)[1:]]  # noqa: E731, what a process gets
    metric = CocolaScore(scorer, modes="both", dist_sync_fn=gather, distributed_available_fn=lambda: True)
    metric.update(CLIPS[:1], CLIPS[4:5])
    assert float(metric.compute()["both"]) == pytest.approx(np.mean(scores(scorer, CLIPS[:4], CLIPS[4:])), abs=1e-5)
    assert metric.compute()["n"] == 4


def test_a_silent_pair_counts_as_none_and_wrong_shapes_are_one_line():
    metric = CocolaScore(tiny_scorer(), modes="both")
    metric.update(torch.stack([CLIPS[0], torch.zeros(80_000)]), CLIPS[4:6])
    assert metric.compute()["n"] == 1
    with pytest.raises(ValueError, match=r"of shapes \(80000,\) and \(2, 80000\); expected \(B, N\)"):
        metric.update(CLIPS[0], CLIPS[:2])
    with pytest.raises(ValueError, match="single channel"):
        CocolaScore(tiny_scorer("mel"), modes="harmonic")


class Generator(lightning.LightningModule):
    """A generator that answers with its input, a little louder every epoch."""

    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(0.5))

    def training_step(self, batch, _):
        return (self.gain - 1).square()

    def validation_step(self, batch, _):
        return None

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def test_the_callback_logs_the_score_of_what_the_generator_plays(tmp_path):
    scorer = tiny_scorer()
    callback = ScoreGenerator(lambda module, batch: (batch, module.gain * batch), CocolaScore(scorer, modes="both"))
    data = torch.utils.data.DataLoader(CLIPS[:4], batch_size=2)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    trainer = lightning.Trainer(
        max_epochs=1, callbacks=[callback], default_root_dir=tmp_path, num_sanity_val_steps=0, **quiet
    )
    module = Generator()
    trainer.fit(module, data, data)
    expected = np.mean(scores(scorer, CLIPS[:2], module.gain.detach() * CLIPS[:2]))
    assert float(trainer.callback_metrics["cocola_both"]) == pytest.approx(expected, abs=1e-3)
    assert trainer.callback_metrics["cocola_n"] == 2
