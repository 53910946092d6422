"""How many times faster than the plain path: `python -m cocola_lib.benchmarks`.

The plain path is what a careful reader would write first: librosa's features and `efficientnet_pytorch` in float32, one
pair at a time, with the system's usual memory allocator. Both sides run in one process, on the same clips and threads.
"""

import argparse
import time

import librosa
import numpy as np
import torch

from cocola_lib.encoder import Cocola
from cocola_lib.features import FMAX_HZ, FMIN_HZ, HOP, KERNEL, N_FFT, N_MELS, SAMPLE_RATE, WINDOW, FrontEnd
from cocola_lib.inference import Inference, probe_clips
from cocola_lib.memory import keep_freed_memory


def seconds(function, repeats=5):
    """Shortest of some runs after a first one: what the code costs, not what else the machine does."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def plain_features(x):
    """One clip through librosa: (N,) -> (2, M, T) dB."""
    magnitude = np.abs(librosa.stft(x, n_fft=N_FFT, win_length=WINDOW, hop_length=HOP, pad_mode="constant"))
    parts = librosa.decompose.hpss(magnitude, kernel_size=KERNEL, power=2.0, margin=1.0)
    mels = [
        librosa.feature.melspectrogram(S=p**2, sr=SAMPLE_RATE, n_mels=N_MELS, fmin=FMIN_HZ, fmax=FMAX_HZ) for p in parts
    ]
    return np.stack([librosa.power_to_db(mel, ref=np.max) for mel in mels])


def measure(batch):
    """Time both sides.

    Args:
        batch: clips of 5 s per batch; half as many pairs.
    Returns:
        List of (what, plain seconds, our seconds, remark).
    """
    from efficientnet_pytorch import EfficientNet

    clips = probe_clips(8).repeat(-(-batch // 8), 1)[:batch]  # (B, N)
    plain = EfficientNet.from_name("efficientnet-b0", in_channels=2, include_top=False).eval()
    project = torch.nn.Linear(1280, 512)

    def plain_pair():
        features = torch.from_numpy(np.stack([plain_features(x) for x in clips[:2].numpy()]))
        h = torch.tanh(torch.nn.functional.layer_norm(project(plain(features).flatten(1)), (512,)))
        return h[0] @ h[1]

    features = FrontEnd()(clips)
    # the plain side first: our own asks the allocator to keep memory, which would help it too
    plain_clip_s = seconds(lambda: plain_features(clips[0].numpy()))
    plain_batch_s = seconds(lambda: plain(features), repeats=3)
    plain_pair_s = seconds(plain_pair)

    ours, front_end = Inference(Cocola(), precision="float32"), FrontEnd()
    clip_s = seconds(lambda: front_end(clips)) / batch
    batch_s = seconds(lambda: ours.embed(features))
    pair_s = seconds(lambda: ours(clips)) / (batch / 2)
    rows = [
        ("front end, per clip", plain_clip_s, clip_s, "librosa"),
        (f"encoder, {batch} clips", plain_batch_s, batch_s, "efficientnet_pytorch, float32 on both sides"),
        ("pair, end to end", plain_pair_s, pair_s, f"{batch // 2} pairs at a time against one"),
    ]
    if keep_freed_memory():
        same_s = seconds(lambda: plain(features), repeats=3)
        rows.append(("encoder, same allocator", same_s, batch_s, "efficientnet_pytorch given our memory setting"))
    half = Inference(Cocola(), precision="bfloat16")
    half_s = seconds(lambda: half.embed(features))
    rows.append(("encoder, bfloat16", plain_batch_s, half_s, "used only where scores move by less than 0.5 %"))
    return rows


def main():
    """Print the table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64, help="clips of 5 s per batch")
    batch = max(2, parser.parse_args().batch)
    print(f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, batches of {batch} clips\n")
    print(f"{'':26}{'plain, ms':>12}{'ours, ms':>12}{'ratio':>8}   against")
    with torch.inference_mode():
        for what, plain_s, ours_s, remark in measure(batch):
            print(f"{what:26}{plain_s * 1e3:12.1f}{ours_s * 1e3:12.2f}{plain_s / ours_s:7.1f}x   {remark}")


if __name__ == "__main__":
    main()
