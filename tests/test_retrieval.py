"""Retrieval: the ranking is that of the scores, the index comes back from disk, and silence is never found."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from tiny import clip, clip_file, tiny_model, tiny_scorer

from cocola_lib.accompaniment.retrieval import Index, build_index, rank, search, top_k
from cocola_lib.data import audio
from cocola_lib.models.calibration import Calibration, fit
from cocola_lib.scoring import Scorer


@pytest.fixture(scope="module")
def scorer():
    return tiny_scorer()


@pytest.fixture
def loops(tmp_path):
    """Six loops in two folders, one silent, one broken, one hidden, and a file that is no audio."""
    folder = tmp_path / "loops"
    for i in range(6):
        clip_file(folder / ("drums" if i % 2 else "bass") / f"{i}.wav", 5 + i, i)
    audio.write(folder / "silent.wav", np.zeros(80_000))
    (folder / "broken.wav").write_text("no music", encoding="utf-8")
    (folder / "._bass.wav").write_text("macOS", encoding="utf-8")
    (folder / "readme.txt").write_text("loops", encoding="utf-8")
    return folder


def test_a_stem_is_ranked_by_its_score_with_the_mix(scorer, loops, tmp_path):
    """A mix of 8 s: every clip is at least half as long, a stem that starts with it."""
    mix = clip_file(tmp_path / "mix.wav", 8, 99)
    index = build_index(scorer, loops)
    found = rank(scorer, mix, index)
    names = [name for name in index.names if name != "silent.wav"]
    for name in names:
        expected = scorer.score(mix, loops / name, hop_s=5, modes="both").both
        assert found.set_index("name").score[name] == pytest.approx(expected, rel=1e-3)
    assert sorted(found.name) == names and list(found["rank"]) == list(range(1, 7))
    assert found.score.is_monotonic_decreasing and not found.best_start_s.any()
    assert list(index.failed) == ["broken.wav"] and "broken.wav" in index.failed["broken.wav"]
    assert list(rank(scorer, mix, index, k=2).name) == list(found.name[:2])


@pytest.mark.parametrize("seconds", [5, 10, 12])
def test_a_loop_is_tried_at_every_window_of_the_mix(scorer, tmp_path, seconds):
    mix = clip(31, 99)
    mix[:80_000] = 0  # silent windows of the mix do not count
    loop = clip_file(tmp_path / "loops" / "x.wav", seconds, 1)
    index = build_index(scorer, tmp_path / "loops")
    covered = 5 * int(seconds // 5)  # s of the mix that the loop's windows cover
    starts = np.arange(0, 31 - covered + 1e-9, 2.5)
    scores = []
    for start in starts:
        part = mix[round(start * 16_000) :][: covered * 16_000]
        scores.append(scorer.score(part, loop, hop_s=5, modes="both").both)
    mean, best = (rank(scorer, mix, index, by=by).iloc[0] for by in ("mean", "best"))
    assert mean.score == pytest.approx(np.nanmean(scores), rel=1e-3)
    assert best.score == mean.best_score == pytest.approx(np.nanmax(scores), rel=1e-3)
    assert best.best_start_s == mean.best_start_s == starts[np.nanargmax(scores)]


def test_the_stem_that_belongs_is_found_among_parts_of_itself(scorer, tmp_path):
    """Placement decides: the same clip, delayed by a window, is another clip."""
    mix = clip(20, 5)
    for name, samples in (("right", mix), ("late", np.roll(mix, 40_000)), ("other", clip(20, 6))):
        audio.write(tmp_path / "stems" / f"{name}.wav", samples)
    found = rank(scorer, mix, build_index(scorer, tmp_path / "stems")).set_index("name")
    expected = scorer.matrix([mix], [tmp_path / "stems" / name for name in found.index], hop_s=5)[0]
    np.testing.assert_allclose(found.score, expected, rtol=1e-3)


def test_a_silent_mix_fits_nothing(scorer, loops):
    with pytest.raises(ValueError, match="silent"):
        rank(scorer, np.zeros(80_000), build_index(scorer, loops))


def test_an_index_comes_back_from_disk_and_reads_only_what_is_new(scorer, loops, tmp_path):
    path = tmp_path / "new" / "loops.safetensors"
    build_index(scorer, loops).save(path)
    known = Index.load(path)
    clip_file(loops / "new.wav", 5, 50)
    os.utime(loops / "bass/0.wav", ns=(1, 1))
    (loops / "drums/1.wav").unlink()
    read = []
    again = build_index(scorer, loops, known=known, progress=lambda rows: (read.append(r[0]) or r for r in rows))
    assert sorted(read) == ["bass/0.wav", "broken.wav", "new.wav"]
    fresh = build_index(scorer, loops)
    assert again.names == fresh.names and "drums/1.wav" not in again.names and again.stamps == fresh.stamps
    np.testing.assert_allclose(again.embeddings, fresh.embeddings, atol=1e-4)
    assert os.listdir(path.parent) == ["loops.safetensors"]


def test_an_index_of_another_model_or_mode_is_refused(scorer, loops):
    index = build_index(scorer, loops)
    other = Scorer.from_model(tiny_model(seed=1), device="cpu")
    for ask in (lambda: build_index(other, loops, known=index), lambda: rank(other, clip(), index)):
        with pytest.raises(ValueError, match="index: made with model"):
            ask()
    with pytest.raises(ValueError, match="in mode 'both'"):
        build_index(scorer, loops, "harmonic", known=index)
    assert build_index(scorer, loops, "harmonic").mode == "harmonic"


def test_bad_folders_and_indexes_are_one_line(scorer, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.wav").touch()
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    for folder, words in (("missing", "no such folder"), ("none", "holds no audio"), ("x.safetensors", "is a file")):
        with pytest.raises((ValueError, FileNotFoundError), match=words):
            build_index(scorer, tmp_path / folder)
    with pytest.raises(ValueError, match="none of its 1 audio files.*a.wav: empty file"):
        build_index(scorer, tmp_path / "broken")
    with pytest.raises(ValueError, match="not a readable index"):
        Index.load(tmp_path / "x.safetensors")
    with pytest.raises(FileNotFoundError, match="no such index"):
        Index.load(tmp_path / "y.safetensors")


@pytest.mark.parametrize("options", [{"k": 0}, {"k": 2.5}, {"by": "luck"}])
def test_impossible_searches_are_one_line(scorer, loops, options):
    with pytest.raises(ValueError, match="^(k|by): "):
        rank(scorer, clip(), build_index(scorer, loops), **options)


def test_a_calibrated_model_adds_shares_and_odds(loops):
    rng = np.random.default_rng(0)
    entry = {"both": fit(rng.normal(5, 3, 99), rng.normal(3, 3, 99))}
    config = {"calibration": {"noise": Calibration("noise", entry).to_dict()}}
    scorer = Scorer.from_model(tiny_model(), config, device="cpu")
    found = rank(scorer, clip(), build_index(scorer, loops))
    assert found.percentile.between(0, 100).all() and found.odds.is_monotonic_decreasing


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([np.nan, -1.0, 0.0, 0.5, 2.0]), max_size=30), st.integers(1, 12))
def test_top_k_is_the_head_of_a_stable_sort(scores, k):
    found = top_k(np.array(scores, dtype=np.float32), k)
    order = sorted((i for i, s in enumerate(scores) if s == s), key=lambda i: -scores[i])
    assert list(found) == order[:k]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 14), st.integers(0, 99))
def test_the_search_is_the_plain_loop_over_clips_places_and_windows(counts, n_queries, seed):
    rng = np.random.default_rng(seed)
    clips = {f"{i}": rng.normal(size=(n, 4)).astype(np.float32) for i, n in enumerate(counts)}
    queries = rng.normal(size=(n_queries, 4)).astype(np.float32)
    for rows in (queries, *clips.values()):
        rows[rng.random(len(rows)) < 0.3] = np.nan
    index = Index.of(clips, dict.fromkeys(clips, ""), "both", "", {})
    for name, rows in index.clips().items():
        np.testing.assert_array_equal(rows, clips[name])
    found = search(queries, index)
    for i, name in enumerate(index.names):
        n = len(clips[name])
        loop = 2 * (2 * n - 1) < n_queries
        for start in range(n_queries):
            meets = [(t, start + 2 * t) for t in range(n) if start + 2 * t < n_queries]
            scores = [clips[name][t] @ queries[j] for t, j in meets]
            scores = [score for score in scores if np.isfinite(score)]
            allowed = start + 2 * n - 1 <= n_queries if loop else start == 0
            expected = np.mean(scores) if scores and allowed else np.nan
            np.testing.assert_allclose(found[i, start], expected, rtol=1e-4, atol=1e-5)


def test_an_index_that_was_changed_is_one_line(scorer, loops, tmp_path):
    path = tmp_path / "index.safetensors"
    index = build_index(scorer, loops)
    arrays = {"embeddings": index.embeddings, "counts": index.counts}
    metadata = {"format": "cocola_lib index", "mode": index.mode, "model": index.model}
    for lists in ("[", "null", "{}", "[1]", "[" * 100_000, '{"names": [], "stamps": [], "failed": {}}'):
        save_file(arrays, path, metadata | {"lists": lists})
        with pytest.raises(ValueError, match=r"index\.safetensors: not a readable index"):
            Index.load(path)
    index.save(path)
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    save_file(arrays | {"embeddings": index.embeddings[:1]}, path, metadata)
    with pytest.raises(ValueError, match=r"index\.safetensors: not a readable index"):
        Index.load(path)
