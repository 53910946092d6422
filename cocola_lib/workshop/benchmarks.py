"""How many times faster than the plain path: `python -m cocola_lib.workshop.benchmarks`.

The plain path is what a careful reader would write first: librosa's features and `efficientnet_pytorch` in float32, one
pair at a time, with the system's usual memory allocator (hence in a process of its own). The two sides take turns on
the same clips with the same number of threads, and the shortest time of each counts.

A training step is features on the fly, forward, Eq. 3, backward and Adam, for all pairs of the batch. The plain one has
the paper's encoder; `python -m cocola_lib.workshop.benchmarks --only step` measures steps alone.
"""

import argparse
import functools
import multiprocessing
import time

import librosa
import numpy as np
import torch

from cocola_lib.encoder import Cocola
from cocola_lib.fast.inference import frozen, probe_clips
from cocola_lib.fast.medians import KERNEL
from cocola_lib.fast.memory import keep_freed_memory
from cocola_lib.features import FMAX_HZ, FMIN_HZ, HOP, MODES, N_FFT, N_MELS, SAMPLE_RATE, WINDOW, FrontEnd
from cocola_lib.loss import contrastive_loss
from cocola_lib.models import checkpoints
from cocola_lib.scoring import BUNDLED
from cocola_lib.training.module import ContrastiveModule
from cocola_lib.training.recipes import get_recipe
from cocola_lib.training.settings import TrainSettings

STEP = "training step"
PAIR = "pair, end to end"
PLAIN_OF = {"encoder, bfloat16": "encoder", "encoder, same allocator": "encoder", f"{PAIR}, the default": PAIR} | {
    f"{STEP}, {recipe}{precision}": STEP for recipe in ("hps-all", "b0-time") for precision in ("", ", bfloat16")
}


def plain_features(x):
    """One clip through librosa: (N,) -> (2, M, T) dB."""
    magnitude = np.abs(librosa.stft(x, n_fft=N_FFT, win_length=WINDOW, hop_length=HOP, pad_mode="constant"))
    parts = librosa.decompose.hpss(magnitude, kernel_size=KERNEL, power=2.0, margin=1.0)
    mels = [
        librosa.feature.melspectrogram(S=p**2, sr=SAMPLE_RATE, n_mels=N_MELS, fmin=FMIN_HZ, fmax=FMAX_HZ) for p in parts
    ]
    return np.stack([librosa.power_to_db(mel, ref=np.max) for mel in mels])


@functools.cache
def plain_side(batch):
    """What is timed of the plain path: name -> function."""
    from efficientnet_pytorch import EfficientNet

    build = functools.partial(EfficientNet.from_name, "efficientnet-b0", in_channels=2, include_top=False)
    encoder = build().eval()
    project = torch.nn.Linear(1280, 512)
    clips = benchmark_clips(batch)
    features = FrontEnd()(clips)

    def pair():
        h = torch.from_numpy(np.stack([plain_features(x) for x in clips[:2].numpy()]))
        h = torch.tanh(torch.nn.functional.layer_norm(project(encoder(h).flatten(1)), (512,)))
        return h[0] @ h[1]

    return {
        "front end, per clip": lambda: plain_features(clips[0].numpy()),
        "encoder": torch.inference_mode()(lambda: encoder(features)),
        PAIR: torch.inference_mode()(pair),
        STEP: plain_step(build().train(), clips),
    }


def plain_step(encoder, clips):
    """A training step of the plain path, as a function: half of the clips are anchors."""
    project, w = torch.nn.Linear(1280, 512), torch.nn.Parameter(0.05 * torch.randn(512, 512))
    optimiser = torch.optim.Adam([*encoder.parameters(), *project.parameters(), w], lr=1e-3)

    def step():
        features = torch.from_numpy(np.stack([plain_features(x) for x in clips.numpy()]))  # (2K, 2, M, T)
        pooled = torch.nn.functional.dropout(encoder(features).flatten(1), 0.1)
        h1, h2 = torch.tanh(torch.nn.functional.layer_norm(project(pooled), (512,))).chunk(2)
        loss = contrastive_loss(h1 @ w @ h2.T)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def our_step(recipe, clips, precision=torch.float32):
    """A training step of ours, as a function: the module that Lightning drives, without Lightning."""
    model = Cocola(get_recipe(recipe).config).to(memory_format=torch.channels_last).train()
    module = ContrastiveModule(model, TrainSettings(k=len(clips) // 2, masking="pair"), [])
    module.log_dict = lambda *args, **kwargs: None  # nobody listens
    optimiser, batch = module.configure_optimizers(), clips.chunk(2)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
            loss = module.training_step(batch, 0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def our_side(batch):
    """What is timed of ours: name -> (function, how many of the plain side's units it does)."""
    model = Cocola().eval()
    exact, half = (frozen(model, precision=p) for p in ("float32", "bfloat16"))
    default = checkpoints.load(BUNDLED)[0].frozen()
    clips = benchmark_clips(batch)
    front_end = FrontEnd()
    features = front_end(clips)
    return {
        "front end, per clip": (lambda: front_end(clips), batch),
        "encoder": (lambda: exact.embed(features), 1),
        "encoder, bfloat16": (lambda: half.embed(features), 1),
        "encoder, same allocator": (lambda: exact.embed(features), 1),
        PAIR: (lambda: exact(clips), batch / 2),
        f"{PAIR}, the default": (lambda: default.embed_modes(clips, MODES[:1]), batch / 2),
    } | {
        f"{STEP}, {recipe}{name}": (our_step(recipe, clips, precision), 1)
        for recipe in ("hps-all", "b0-time")
        for name, precision in (("", torch.float32), (", bfloat16", torch.bfloat16))
    }


def benchmark_clips(batch):
    """(B, N): clips of 5 s."""
    return probe_clips(8).repeat(-(-batch // 8), 1)[:batch]


def seconds(function):
    """One run."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def time_plain(name, batch, n_threads, keep=False):
    """One run of the plain side; called in a process of its own."""
    torch.set_num_threads(n_threads)
    if keep:
        keep_freed_memory()
    return seconds(plain_side(batch)[name])


def measure(batch, rounds, only=""):
    """Both sides in turns: list of (name, plain seconds, our seconds).

    Args:
        batch: clips of 5 s.
        rounds: turns of each side.
        only: part of the names that are measured.
    """
    ours = {name: timed for name, timed in our_side(batch).items() if only in name}
    best = {name: [np.inf, np.inf] for name in ours}
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as usual, context.Pool(1) as kept:
        for turn in range(rounds + 1):  # the first warms up
            plain = {}  # one plain step is measured for all of ours in a turn
            for name, (function, units) in ours.items():
                keep = name.endswith("allocator")
                call = (PLAIN_OF.get(name, name), batch, torch.get_num_threads(), keep)
                if call not in plain:
                    plain[call] = (kept if keep else usual).apply(time_plain, call)
                pair = plain[call], seconds(function) / units
                if turn:
                    best[name] = np.minimum(best[name], pair)
    return [(name, *pair) for name, pair in best.items()]


def main():
    """Print the table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64, help="clips of 5 s per batch")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each side; the shortest time counts")
    parser.add_argument("--only", default="", help='part of a name, e.g. "step"')
    options = parser.parse_args()
    batch = max(4, options.batch // 2 * 2)  # two pairs: one alone has no negative
    print(
        f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, {batch} clips of 5 s per batch"
    )
    print("plain: librosa; efficientnet_pytorch in float32; pairs one at a time")
    print(f"a training step: {batch // 2} pairs, features on the fly\n")
    print(f"{'':38}{'plain, ms':>12}{'ours, ms':>12}{'ratio':>9}")
    for name, plain_s, our_s in measure(batch, max(1, options.rounds), options.only):
        print(f"{name:38}{plain_s * 1e3:12.1f}{our_s * 1e3:12.2f}{plain_s / our_s:8.1f}x")
    print("\nsame allocator: efficientnet_pytorch given our setting that keeps freed memory")
    print("bfloat16: used by itself only where a model's scores move by less than 0.5 % of their spread")


if __name__ == "__main__":
    main()
