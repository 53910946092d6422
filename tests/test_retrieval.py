"""Retrieval: the ranking is that of the scores, the index comes back from disk, and silence is never found."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import clip, clip_file, tiny_model, tiny_scorer

from cocola_lib import audio, retrieval
from cocola_lib.calibration import Calibration, fit
from cocola_lib.retrieval import Index, build_index, rank, search, top_k
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


def test_the_ranking_is_that_of_the_scores(scorer, loops, tmp_path):
    mix = clip_file(tmp_path / "mix.wav", 5, 99)
    index = build_index(scorer, loops)
    found = rank(scorer, mix, index)
    names = [name for name in index.names if name != "silent.wav"]
    one_window = {n: scorer.matrix([mix], [loops / n])[0, 0] for n in names if n in ("bass/0.wav", "drums/1.wav")}
    for name, score in one_window.items():
        assert found.set_index("name").score[name] == pytest.approx(score, rel=1e-3)
    assert sorted(found.name) == names and list(found["rank"]) == list(range(1, 7))
    assert found.score.is_monotonic_decreasing
    assert list(index.failed) == ["broken.wav"] and "broken.wav" in index.failed["broken.wav"]
    assert list(rank(scorer, mix, index, k=2).name) == list(found.name[:2])


def test_the_best_window_is_where_the_loop_fits_best(scorer, loops):
    mix = clip(20, 99)
    index = build_index(scorer, loops)
    found = rank(scorer, mix, index, by="best").set_index("name")
    curve = scorer.score(mix, np.tile(audio.read(loops / "bass/0.wav"), 4), hop_s=5, modes="both").curves["both"]
    assert found.score["bass/0.wav"] == pytest.approx(found.best_score["bass/0.wav"])
    assert found.score["bass/0.wav"] >= curve.max() - 1e-2
    by_mean = rank(scorer, mix, index).set_index("name")
    assert (by_mean.best_score >= by_mean.score - 1e-5).all()
    assert (by_mean.best_start_s == found.best_start_s[by_mean.index]).all()


def test_silent_windows_of_the_mix_do_not_count(scorer, loops):
    mix = clip(15, 99)
    quiet = np.concatenate([np.zeros(80_000, np.float32), mix])
    index = build_index(scorer, loops)
    plain, shifted = (rank(scorer, x, index, hop_s=5.0).set_index("name") for x in (mix, quiet))
    np.testing.assert_allclose(shifted.score[plain.index], plain.score, rtol=1e-4)
    np.testing.assert_allclose(shifted.best_start_s[plain.index], plain.best_start_s + 5)
    with pytest.raises(ValueError, match="silent"):
        rank(scorer, np.zeros(80_000), index)


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


def test_search_in_blocks_is_the_plain_maximum():
    rng = np.random.default_rng(0)
    queries, embeddings = rng.normal(size=(7, 16)), rng.normal(size=(1_000, 16))
    embeddings[3] = np.nan
    expected = (queries @ embeddings.T).max(axis=0)
    np.testing.assert_allclose(search(queries, embeddings, block=64), expected)
    np.testing.assert_allclose(search(queries[:1], embeddings), (queries[:1] @ embeddings.T)[0])
    assert retrieval.COLUMNS[:3] == ("rank", "name", "score")
