"""The sampler: what a batch must never hold, for any tracks, and the same windows for the same (seed, step)."""

import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cocola_lib import sampling
from cocola_lib.data import activity
from cocola_lib.data.tracks import Stem, Track, load_tracks
from cocola_lib.sampling import PairDataset, WindowSampler, split_stems

BLOCKS = 50  # of 0.1 s in a window


def fake_track(i, energy):
    """A track without files; its block energies are given."""
    stems = tuple(Stem(f"s{j}", (Path(f"/none/{i}/{j}.wav"),)) for j in range(len(energy)))
    return Track(f"t{i}", "fake", "train", stems, 16_000, energy.shape[1] * 1_600)


def fake_sampler(energies, **options):
    """A sampler over fake tracks that hears the given energies."""
    sampler = WindowSampler([fake_track(i, e) for i, e in enumerate(energies)], **options)
    for track, energy in zip(sampler.tracks, energies, strict=True):
        active = activity.sounding(energy, sampler.window_s)
        sampler._active[track.id] = np.packbits(active, axis=1), active.shape[1]
    return sampler


@st.composite
def libraries(draw):
    """One to five tracks of one to six stems that come and go, some shorter than a window."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    energies = []
    for _ in range(draw(st.integers(1, 5))):
        n_stems, n_blocks = draw(st.integers(1, 6)), draw(st.integers(10, 600))
        gate = np.repeat(rng.random((n_stems, n_blocks // 40 + 1)) < 0.6, 40, axis=1)[:, :n_blocks]
        energies.append(np.where(gate, 10.0 ** rng.uniform(-7, 0, (n_stems, 1)), 0.0))
    return energies


options = st.fixed_dictionaries(
    {
        "max_overlap": st.sampled_from([0.0, 0.25, 0.33, 0.5, 0.9]),
        "single": st.booleans(),
    }
)


@settings(max_examples=150, deadline=None)
@given(libraries(), options, st.integers(2, 24), st.integers(0, 2**31), st.integers(0, 10**6))
def test_batch_breaks_a_promise(energies, options, k, seed, step):
    sampler = fake_sampler(energies, **options)
    try:
        specs = sampler.batch(k, seed, step, at_most=True)
    except ValueError as error:
        assert "0 of the" in str(error)
        return
    assert 1 <= len(specs) <= k
    assert specs == fake_sampler(energies, **options).batch(k, seed, step, at_most=True)  # pure in (seed, step)
    starts = {}
    for spec in specs:
        anchor, positive = set(spec.anchor), set(spec.positive)
        assert anchor and positive and not anchor & positive
        assert not options["single"] or len(anchor) == len(positive) == 1
        block = round(spec.start_s / activity.BLOCK_S)
        energy = energies[int(spec.track_id[1:])][:, block : block + BLOCKS]
        assert energy.shape[1] == BLOCKS  # inside the track
        for name in anchor | positive:
            assert energy[int(name[1:])].mean() > 10 ** (activity.SILENCE_DBFS / 10)  # no silent member
        starts.setdefault(spec.track_id, []).append(block)
    for blocks in starts.values():
        gaps = np.diff(sorted(blocks))
        assert np.all(BLOCKS - gaps <= options["max_overlap"] * BLOCKS + 1e-9)  # overlap never above r


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(2, 30), st.integers(0, 2**31))
def test_ranks_share_or_lose_a_window(world_size, k, seed):
    sampler = fake_sampler([np.ones((4, 2_000))] * 20)
    sampler.audio = lambda spec: (np.full(2, hash(spec) % 2**20, np.float32),) * 2
    whole = sampler.pairs(k, seed, 3)
    parts = [sampler.pairs(k, seed, 3, rank, world_size) for rank in range(world_size) if rank < k]
    assert sum(len(p) for p in parts) == k
    for rank, part in enumerate(parts):
        np.testing.assert_array_equal(part, whole[rank::world_size])


def test_step_or_seed_repeats_a_batch():
    sampler = fake_sampler([np.ones((4, 2_000))] * 20)
    batches = [tuple(sampler.batch(16, seed, step)) for seed in range(3) for step in range(5)]
    assert len(set(batches)) == 15
    assert batches[7] == tuple(sampler.batch(16, 1, 2))  # after others were drawn


def test_subset_sizes_are_not_uniform_as_documented():
    rng, n = np.random.default_rng(0), 20_000
    drawn = [split_stems("abcde", rng) for _ in range(n)]
    sizes = Counter((len(a) + len(p), len(a)) for a, p in drawn)
    expected = {(used, a): 1 / 4 / (used - 1) for used in range(2, 6) for a in range(1, used)}
    assert set(sizes) == set(expected)
    for size, share in expected.items():
        assert sizes[size] / n == pytest.approx(share, abs=5 * np.sqrt(share / n))
    stems = Counter(name for a, p in drawn for name in (*a, *p))
    assert max(stems.values()) / min(stems.values()) < 1.05  # no stem is preferred
    anchors = Counter(a for a, p in (split_stems("abcde", rng, single=True) for _ in range(n)))
    assert len(anchors) == 5 and max(anchors.values()) / min(anchors.values()) < 1.15


def test_tracks_are_not_equally_likely():
    sampler = fake_sampler([np.ones((3, n)) for n in (100, 1_000, 10_000)], max_overlap=0.9)
    counts = Counter(sampler.batch(2, 0, step)[0].track_id for step in range(3_000))
    assert all(n == pytest.approx(1_000, abs=150) for n in counts.values())


@pytest.mark.parametrize(
    "wrong",
    [{"max_overlap": 1.0}, {"max_overlap": -0.1}, {"window_s": 0.0}],
)
def test_parameter_out_of_range_is_taken(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        fake_sampler([np.ones((2, 100))], **wrong)


def test_tracks_shorter_than_a_window_are_not_named():
    with pytest.raises(ValueError, match=r"longest 4\.9 s"):
        fake_sampler([np.ones((2, 49))]).batch(2, 0, 0)
    with pytest.raises(ValueError, match="tracks is empty"):
        WindowSampler([])
    with pytest.raises(ValueError, match="K is 1"):
        PairDataset(fake_sampler([np.ones((2, 49))]), 1, 1, 0)


@pytest.fixture
def stems(tmp_path, monkeypatch):
    """Six songs of three stems, 20 s each; the third stem of each ends after 8 s."""
    monkeypatch.setenv("COCOLA_DATA", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for song in range(6):
        (tmp_path / f"root/song{song}").mkdir(parents=True)
        for j, name in enumerate(("bass", "drums", "keys")):
            x = rng.normal(0, 0.1 * 2**-j, 16_000 * (8 if j == 2 else 20))
            soundfile.write(tmp_path / f"root/song{song}/{name}.wav", x, 16_000)
    return tmp_path / "root"


def test_item_is_not_the_plain_sum_of_the_stems(stems):
    tracks = load_tracks(stems)
    sampler = WindowSampler(tracks)
    anchors, positives = PairDataset(sampler, 8, 3, 0, noise_sigma=0.0)[1]
    assert anchors.shape == positives.shape == (8, 80_000) and anchors.dtype == torch.float32
    for spec, anchor in zip(sampler.batch(8, 0, 1), anchors, strict=True):
        start = round(spec.start_s * 16_000)
        files = [stems / spec.track_id.split("/")[-1] / f"{name}.wav" for name in spec.anchor]
        x = sum(np.pad(soundfile.read(f)[0], (0, 320_000))[start : start + 80_000] for f in files)
        np.testing.assert_allclose(anchor, x, atol=1e-6)


def test_noise_differs_on_resuming_or_over_ranks_or_repeats(stems):
    data = PairDataset(WindowSampler(load_tracks(stems)), 4, 9, 0)
    clean = PairDataset(data.sampler, 4, 9, 0, noise_sigma=0.0)
    again = PairDataset(WindowSampler(load_tracks(stems)), 4, 9, 0)
    first, noise = data[5][0], data[5][0] - clean[5][0]
    assert torch.equal(first, again[5][0])
    assert noise.std().item() == pytest.approx(sampling.NOISE_SIGMA, rel=0.02)
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.02
    assert abs(np.corrcoef(noise[0], (data[6][0] - clean[6][0])[0])[0, 1]) < 0.02
    for rank in range(2):  # the batch is the same, however many share it
        assert torch.equal(PairDataset(data.sampler, 4, 9, 0, rank=rank, world_size=2)[5][0], first[rank::2])


def damage(stems):
    """Cut a file off after its activity was cached: as a disk that fails in the middle of an epoch."""
    sampler = WindowSampler(load_tracks(stems))
    for track in sampler.tracks:
        sampler.windows(track)
    path = stems / "song2" / "bass.wav"
    path.write_bytes(path.read_bytes()[:1_000])
    return path


def test_unreadable_file_stops_training_unnamed(stems):
    path = damage(stems)
    data = PairDataset(WindowSampler(indexed_before(stems)), 6, 10, 0)
    with pytest.raises(ValueError, match=path.name):
        [data[step] for step in range(10)]


def indexed_before(stems):
    """The tracks as they were indexed before the damage."""
    names = ("bass", "drums", "keys")
    return [
        Track(f"root/train/song{i}", "root", "train",
              tuple(Stem(n, (stems / f"song{i}/{n}.wav",)) for n in names), 16_000, 320_000)
        for i in range(6)
    ]  # fmt: skip


def test_memory_grows_with_the_hours_of_audio(monkeypatch):
    """100 hours of songs with 8 stems: what the sampler keeps of them, all windows known."""
    rng = np.random.default_rng(0)
    energy = (rng.random((8, 2_400)) < 0.7).astype(np.float32)  # 4 minutes
    monkeypatch.setattr(sampling, "block_energy", lambda track: energy)
    kept = {}
    for hours in (1, 100):
        tracks = [fake_track(i, energy) for i in range(hours * 15)]
        tracemalloc.start()
        sampler = WindowSampler(tracks)
        for track in tracks:
            sampler.windows(track)
        for step in range(10):
            sampler.batch(32, 0, step)
        kept[hours] = tracemalloc.get_traced_memory()[0] / 1e6
        tracemalloc.stop()
    print(f"kept: {kept[1]:.2f} MB for 1 hour, {kept[100]:.2f} MB for 100 hours")
    assert kept[100] < 10  # MB; the audio would be 92 GB


def test_specifications_as_a_table_lose_stems():
    specs = fake_sampler([np.ones((4, 2_000))] * 3).batch(4, 0, 0)
    frame = sampling.specs_to_frame(specs)
    assert [tuple(a.split("+")) for a in frame.anchor] == [s.anchor for s in specs]


def test_a_batch_larger_than_the_tracks_takes_as_long_as_what_they_hold(monkeypatch):
    sampler = fake_sampler([np.ones((2, 600))] * 3)  # a minute each
    looked, windows = [], sampler.windows

    def counted(track):
        looked.append(track)
        assert len(looked) < 100_000, "draws on"
        return windows(track)

    monkeypatch.setattr(sampler, "windows", counted)
    few, many = (sampler.batch(k, 0, 0, at_most=True) for k in (72, 10**9))
    assert few == many and 20 < len(many) <= 72
