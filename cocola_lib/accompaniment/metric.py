"""The COCOLA Score inside other people's training: a torchmetrics metric, and a Lightning callback around it.

score = CocolaScore()                                 # in any loop: update, compute, reset
trainer = Trainer(callbacks=[ScoreGenerator(answer)])  # logs it once per validation
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from cocola_lib.extras import need

need("train", "lightning", "torchmetrics")

import torch  # noqa: E402
from lightning import Callback, LightningModule, Trainer  # noqa: E402
from torch import Tensor  # noqa: E402
from torchmetrics import Metric  # noqa: E402

from cocola_lib.evaluation import bootstrap_interval  # noqa: E402
from cocola_lib.features import check_modes  # noqa: E402
from cocola_lib.scoring import Modes, Scorer  # noqa: E402


class CocolaScore(Metric):
    """Mean COCOLA Score of pairs, per mode, with its 95 % interval over pairs.

    Its state is one score per pair and mode, gathered from all devices before it is averaged, so that several
    processes report what one with all pairs would.

    Args:
        scorer: of any model; None: the default one. It scores where it was put, whatever device the metric is on.
        rate: Hz of the clips. modes: some of the scorer's; None: all.
        options: torchmetrics' own, such as `dist_sync_on_step`.
    Raises:
        ValueError: a mode that the model lacks.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False

    def __init__(self, scorer: Scorer | None = None, rate: int | None = None, modes: Modes = None, **options: Any):
        super().__init__(**options)
        self.scorer, self.rate = scorer or Scorer(), rate
        self.modes = check_modes(modes, self.scorer.modes)
        for mode in self.modes:
            self.add_state(mode, default=[], dist_reduce_fx="cat")

    def update(self, conditioning: Tensor, accompaniment: Tensor) -> None:
        """Score a batch of pairs.

        Args:
            conditioning, accompaniment: (B, N) or (B, channels, N), full scale +-1; a pair without a window in which
                both sides sound counts as none.
        Raises:
            ValueError: other shapes, batches of unequal size, or a clip that cannot be scored.
        """
        if conditioning.ndim not in (2, 3) or len(conditioning) != len(accompaniment):
            shapes = f"{tuple(conditioning.shape)} and {tuple(accompaniment.shape)}"
            raise ValueError(f"conditioning and accompaniment of shapes {shapes}; expected (B, N) or (B, channels, N)")
        sides = (clips.detach().float().cpu().numpy() for clips in (conditioning, accompaniment))
        for score in self.scorer.score_pairs(zip(*sides, strict=True), self.rate, modes=self.modes):
            if isinstance(score, Exception):
                raise score
            for mode in self.modes:
                getattr(self, mode).append(torch.tensor([getattr(score, mode)], device=self.device))

    def compute(self) -> dict[str, Tensor]:
        """Mode -> mean, `<mode>_low` and `<mode>_high` -> its interval, "n" -> how many pairs count; NaN for none."""
        result = {}
        for mode in self.modes:
            state = getattr(self, mode)  # a list, or one tensor once devices were gathered
            scores = (torch.cat(state) if isinstance(state, list) and state else torch.as_tensor(state)).cpu().numpy()
            scores = scores[np.isfinite(scores)]
            low, high = bootstrap_interval(scores, range(len(scores))) if len(scores) else (np.nan, np.nan)
            mean = float(scores.mean()) if len(scores) else np.nan
            result |= {mode: mean, f"{mode}_low": low, f"{mode}_high": high, "n": len(scores)}
        return {name: torch.tensor(value, dtype=torch.float32) for name, value in result.items()}


class ScoreGenerator(Callback):
    """Score a generator during its training: once per validation, logged as `cocola_<mode>` and so on.

    Args:
        answer: (module, batch) -> (conditioning, accompaniment), as `CocolaScore.update` takes them: what the
            generator plays to a batch of the validation data.
        metric: None: `CocolaScore()`.
        n_batches: of each validation, the first so many are answered; generating takes time.
    """

    def __init__(
        self,
        answer: Callable[[LightningModule, Any], tuple[Tensor, Tensor]],
        metric: CocolaScore | None = None,
        n_batches: int = 1,
    ):
        self.answer, self.metric, self.n_batches = answer, metric or CocolaScore(), n_batches

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.metric.to(pl_module.device).reset()

    @torch.no_grad()
    def on_validation_batch_end(  # Lightning's signature
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        if batch_idx < self.n_batches:
            self.metric.update(*self.answer(pl_module, batch))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        found = self.metric.compute()  # gathered from all devices: the same on each
        pl_module.log_dict({f"cocola_{name}": value for name, value in found.items()}, rank_zero_only=False)
