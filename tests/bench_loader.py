"""How many windows a second the loader delivers, and the encoder consumes, on the same cores.

    python tests/bench_loader.py [prepared folder]

Prints rates and ratios; without a folder it prepares the tiny miniatures in a temporary one. Not a test: nothing is
asserted about wall-clock time.
"""

import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from cocola_lib.data import miniatures, prepare
from cocola_lib.data.tracks import load_tracks
from cocola_lib.loss import contrastive_loss
from cocola_lib.sampling import PairDataset, WindowSampler
from cocola_lib.training.run import RECIPES, Cocola

K, STEPS = 32, 12


def windows_per_s(tracks, n_workers):
    """Batches of K windows, noise included, from one process or from loader processes."""
    data = PairDataset(WindowSampler(tracks, max_overlap=0.9), K, STEPS + 4, seed=0)
    batches = iter(DataLoader(data, batch_size=None, num_workers=n_workers))
    for _ in range(4):
        next(batches)
    started = time.perf_counter()
    n = sum(len(anchors) for anchors, _ in batches)
    return n / (time.perf_counter() - started)


def consumed_per_s(recipe, learn):
    """Windows (pairs) a second through features and encoder; with `learn` also loss, gradients and a step."""
    model = Cocola(RECIPES[recipe]).to(memory_format=torch.channels_last).train(learn)
    optimiser = torch.optim.Adam(model.parameters())
    waveforms = 0.1 * torch.randn(2 * K, 80_000)
    seconds = []
    for _ in range(4):
        started = time.perf_counter()
        with torch.set_grad_enabled(learn):
            h1, h2 = model.embed(model.features(waveforms)).chunk(2)
            loss = contrastive_loss(model.similarity(h1, h2))
        if learn:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        seconds.append(time.perf_counter() - started)
    return K / min(seconds)  # the encoder at its best, the loader on average


def main():
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        if len(sys.argv) < 2:
            for name in miniatures.MODULES:
                prepare.prepare(load_tracks(miniatures.ensure(name, "tiny", progress=False)), root)
        tracks = load_tracks(root)
        cores = torch.get_num_threads()
        loads = {f"{n} processes" if n else "in the main process": windows_per_s(tracks, n) for n in (0, cores)}
        for name, rate in loads.items():
            print(f"loader, {name}: {rate:.0f} windows/s")
        for recipe in RECIPES:
            for learn, what in ((True, "training"), (False, "embedding only")):
                rate = consumed_per_s(recipe, learn)
                ratios = ", ".join(f"{load / rate:.1f} ({name})" for name, load in loads.items())
                print(f"{recipe}, {what}: {rate:.1f} windows/s on {cores} cores; loader / encoder = {ratios}")


if __name__ == "__main__":
    main()
