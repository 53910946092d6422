"""Columns beside the score, against other people's tools and slow loops written from the definitions."""

import mir_eval
import numpy as np
import pandas as pd
import pyloudnorm
import pytest
import torch
from scipy.stats import wilcoxon
from tiny import clip

from cocola_lib.accompaniment import apa, comparisons, harmony, items, kernel, loudness, musical
from cocola_lib.accompaniment.baselines import strangers
from cocola_lib.accompaniment.beats import beat_f1, open_tracker
from cocola_lib.accompaniment.fad_embedders import LogMel, Unavailable
from cocola_lib.accompaniment.measure import SCORES, Trial

RATE = 16_000


def trial(answers, conditionings, classes=None):
    n = len(conditionings)
    return Trial([str(i) for i in range(n)], [f"t{i}" for i in range(n)], classes or ["bass"] * n, conditionings,
                 [None] * n, answers, 5.0)  # fmt: skip


def clicks(bpm, start=0.1, seconds=8.0):
    x = np.zeros(round(seconds * RATE), np.float32)
    for at in np.arange(start, seconds - 0.1, 60 / bpm):
        i = round(at * RATE)
        x[i : i + 400] = np.sin(2 * np.pi * 1000 * np.arange(400) / RATE) * np.exp(-np.arange(400) / 80)
    return x


def test_beat_f1_is_mir_evals_and_missing_beats_are_a_failure_and_no_zero():
    a = np.arange(0.5, 8, 0.5)
    for b in (a + 0.069, a + 0.071, a[::2], np.arange(0.5, 8, 0.4)):
        assert beat_f1(a, b) == mir_eval.beat.f_measure(a, b)
    assert beat_f1(a, a + 0.069) == 1 and beat_f1(a, a + 0.071) == 0
    assert beat_f1(a, a[::2]) == pytest.approx(2 / 3, abs=0.03)
    assert np.isnan(beat_f1(a, a[:1])) and np.isnan(beat_f1([], a))


def test_a_tracker_that_is_not_here_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert open_tracker("auto")[0] == "librosa"
    with pytest.raises(Unavailable, match=r"Beat F1: .*(--weights beat-this=FILE|cocola-lib\[beats\])"):
        open_tracker("beat-this")
    with pytest.raises(ValueError, match="tracker is 'madmom'; use auto, beat-this, librosa"):
        open_tracker("madmom")


def test_beat_this_is_read_from_its_own_format_and_a_broken_file_is_named(tmp_path):
    model = pytest.importorskip("beat_this.model.beat_tracker").BeatThis
    small = {"transformer_dim": 32, "stem_dim": 32, "n_layers": 1}
    weights = {f"model.{name}": tensor for name, tensor in model(**small).state_dict().items()}
    torch.save({"hyper_parameters": small, "state_dict": weights}, tmp_path / "small.ckpt")
    name, track = open_tracker("auto", tmp_path / "small.ckpt")
    beats = track(clip(6.0), RATE)
    assert name == "beat-this" and np.all(np.diff(beats) > 0) and np.all((beats >= 0) & (beats <= 6.0))
    (tmp_path / "bad.ckpt").write_text("no weights", encoding="utf-8")
    with pytest.raises(Unavailable, match=r"bad\.ckpt: not the weights of beat-this, or damaged"):
        open_tracker("auto", tmp_path / "bad.ckpt")


def test_beats_keys_and_chords_of_a_trial_and_which_items_failed():
    silence, tone = np.zeros(8 * RATE, np.float32), clicks(120)
    answers = {"same": [tone, tone], "off": [clicks(120, 0.35), silence]}
    scores = musical.musical_scores(trial(answers, [tone, tone], ["bass", "drums"]), open_tracker("librosa"))
    assert list(scores.columns) == SCORES
    scores["column"] = scores["rater"] + " " + scores["mode"]
    found = scores.set_index(["column", "system", "item"])["score"]
    beats = "Beat F1 (librosa)"
    assert found[beats, "same", 0] == 1 and found[beats, "off", 0] < 0.2 and np.isnan(found[beats, "off", 1])
    assert found["key distance", "same", 0] == 0 and found["chord agreement", "same", 0] == 1
    assert np.isnan(found["key distance", "same", 1]), "drums have no key"
    assert musical.failures(scores) == [f"{beats}: off has 1 of 2 items without two beats on each side."]


@pytest.mark.parametrize(
    ("a", "b", "steps"),
    [((0, "major"), (9, "minor"), 0), ((0, "major"), (7, "major"), 1), ((0, "major"), (6, "major"), 6),
     ((0, "major"), (0, "minor"), 3), ((5, "major"), (4, "minor"), 2)],
)  # fmt: skip
def test_keys_are_apart_by_fifths_in_both_directions(a, b, steps):
    assert harmony.key_distance(a, b) == harmony.key_distance(b, a) == steps


def test_chords_fit_where_they_share_two_tones_and_silence_is_left_out():
    c, am, f = (0, "major"), (9, "minor"), (5, "major")
    assert [harmony.shared_tones(c, x) for x in (c, am, (0, "minor"), f)] == [3, 2, 2, 1]
    assert harmony.chord_agreement([c, c, None, c], [am, f, c, c]) == pytest.approx(2 / 3)
    assert np.isnan(harmony.chord_agreement([None], [c]))


def slow_kad(x, y, s):
    def k(a, b):
        return np.exp(-sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) / (2 * s * s))

    within = [np.mean([k(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]) for z in (x, y)]
    return 100 * (sum(within) - 2 * np.mean([k(a, b) for a in x for b in y]))


def test_kad_equals_the_slow_sum_and_is_zero_on_average_for_one_kind():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 3)) + 1, rng.standard_normal((9, 3))
    s = np.median([np.linalg.norm(y[i] - y[j]) for i in range(9) for j in range(i)])
    assert kernel.median_distance(y) == pytest.approx(s)
    assert kernel.kernel_distance(x, y) == pytest.approx(slow_kad(x, y, s), rel=1e-9)
    same = [kernel.kernel_distance(*rng.standard_normal((2, 8, 3))) for _ in range(200)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(200) and min(same) < 0
    assert np.isnan(kernel.kernel_distance(x[:1], y)) and np.isnan(kernel.kernel_distance(x, np.ones((4, 3))))


def test_density_and_coverage_equal_the_slow_count():
    rng = np.random.default_rng(1)
    x, y, k = rng.standard_normal((11, 2)), rng.standard_normal((14, 2)), 3
    radius = [sorted(np.linalg.norm(y[j] - other) for other in y)[k] for j in range(14)]
    inside = [[np.linalg.norm(a - y[j]) <= radius[j] for j in range(14)] for a in x]
    expected = np.sum(inside) / (k * 11), np.mean(np.any(inside, axis=0))
    assert kernel.density_coverage(x, y, k) == pytest.approx(expected)
    assert kernel.density_coverage(x + 100, y, k) == (0, 0)


def test_loudness_is_pyloudnorms_and_a_limited_clip_stays_within_full_scale():
    sine = np.sin(2 * np.pi * 997 * np.arange(3 * RATE) / RATE).astype(np.float32)
    assert loudness.lufs(sine, RATE) == pytest.approx(-3.01, abs=0.1)
    level = loudness.to_level(clip(2), RATE, -18.0)
    assert pyloudnorm.Meter(RATE).integrated_loudness(level.astype(float)) == pytest.approx(-18, abs=1e-3)
    assert np.abs(loudness.to_level(clip(2), RATE, 0.0, peak=0.99)).max() == pytest.approx(0.99)
    assert loudness.lufs(np.zeros(10), RATE) == -np.inf and not loudness.to_level(np.zeros(RATE), RATE, -18).any()
    loud = sine * np.linspace(0, 3, len(sine), dtype=np.float32)
    y = loudness.limited(loud, RATE)
    assert np.abs(y).max() <= 1 + 1e-6
    np.testing.assert_array_equal(y[: RATE // 2], loud[: RATE // 2])


def test_apa_as_published_is_its_formula_and_half_where_both_distances_agree():
    assert apa.adherence(0.0, 2.0, 2.0) == 1 and apa.adherence(2.0, 0.0, 2.0) == 0
    assert apa.adherence(1.0, 1.0, 2.0) == 0.5 and apa.adherence(1.0, 2.0, 4.0) == 0.625
    assert apa.adherence(-1.0, 3.0, 1.0) == 1, "negative distances are 0"
    assert np.isnan(apa.adherence(0.0, 0.0, 0.0))
    assert apa.far_away(300)[:2] == [100, 101] and apa.far_away(6) == [3, 4, 5, 0, 1, 2]


def test_apa_as_published_hears_no_levels_and_prefers_the_truth():
    pairs = [(clip(5.0, i), clip(5.0, 50 + i)) for i in range(8)]
    answers = {"quiet truth": [0.05 * y for _, y in pairs], "Ground Truth": [y for _, y in pairs]}
    found, note = apa.published_adherence(trial(answers, [x for x, _ in pairs]), LogMel(), "Ground Truth")
    assert found["quiet truth"][0] == pytest.approx(1, abs=1e-3), note
    assert "8 windows: the anti-reference is 4 windows away; 10 principal components" in note
    mix = apa.paired_mix(0.01 * pairs[0][0], 9 * pairs[0][1], RATE)
    assert loudness.lufs(mix, RATE) == pytest.approx(-20, abs=0.1)


def tidy(system, values, mode="P+H", rater="COCOLA", stem="bass", tracks=None):
    n = len(values)
    rows = zip([rater] * n, [mode] * n, range(n), [system] * n, tracks or [f"t{i}" for i in range(n)], [stem] * n,
               values, [np.nan] * n, strict=True)  # fmt: skip
    return pd.DataFrame(rows, columns=SCORES)


def test_on_the_common_scale_random_is_0_and_the_truth_100_for_any_checkpoint():
    values = {"Random": [1.0, 3.0], "Mine": [2.0, 5.0], "Ground Truth": [5.0, 7.0]}
    for scale in (1.0, 40.0):
        rows = comparisons.common_scale(pd.concat([tidy(s, scale * np.array(v)) for s, v in values.items()]))
        found = rows.set_index("system")["value"]
        assert found.to_dict() == pytest.approx({"Random": 0, "Mine": 37.5, "Ground Truth": 100})
    assert comparisons.common_scale(tidy("Mine", [1.0])).empty


def test_paired_differences_are_tested_per_conditioning_and_corrected():
    rng = np.random.default_rng(2)
    base, tracks = rng.standard_normal(20), [f"t{i // 2}" for i in range(20)]
    values = {"ref": base, "better": base + 1 + 0.1 * rng.standard_normal(20), "same": base + rng.standard_normal(20)}
    rows = comparisons.paired(pd.concat([tidy(s, v, tracks=tracks) for s, v in values.items()]), "ref")
    found = rows.set_index("system")
    steps = pd.Series(values["better"] - base).groupby(tracks).mean()
    assert found.loc["better", "p"] == pytest.approx(wilcoxon(steps).pvalue)
    assert found.loc["better", "conditionings"] == 10 and found.loc["better", "low"] > 0.9
    np.testing.assert_allclose(comparisons.holm([0.04, np.nan, 0.01, 0.03]), [0.06, np.nan, 0.03, 0.06])
    assert found.loc["better", "holm"] == pytest.approx(2 * found.loc["better", "p"])
    with pytest.raises(ValueError, match="'nobody': no such system; there are ref, better, same"):
        comparisons.paired(pd.concat([tidy(s, v) for s, v in values.items()]), "nobody")


def test_classes_have_rows_with_their_n():
    rows = comparisons.by_class(pd.concat([tidy("a", [1.0, 3.0], stem="S01_Bass"), tidy("a", [5.0], stem="piano")]))
    assert rows.set_index("stem_class")[["mean", "n"]].to_dict("index") == {
        "bass": {"mean": 2.0, "n": 2}, "keys": {"mean": 5.0, "n": 1}}  # fmt: skip


def test_silence_copies_and_levels_are_flagged_counted_and_noted():
    heard = [clip(5.0, i) for i in range(3)]
    answers = {
        "copy": [heard[0], -0.5 * heard[1], clip(5.0, 9)],
        "quiet": [1e-4 * clip(5.0, 7), np.zeros(5 * RATE, np.float32), clip(5.0, 8)],
    }
    checks = items.check_items(trial(answers, heard))
    assert list(checks["flag"]) == ["leak", "leak", "", "near-silent", "near-silent", ""]
    assert checks.loc[0, "level_db"] == pytest.approx(0) and checks.loc[1, "level_db"] == pytest.approx(-6.02, abs=0.01)
    assert checks.loc[1, "leak"] == pytest.approx(-1) and checks.loc[4, "silence"] == 1
    counted = items.count(checks).set_index("system")
    assert counted.loc["quiet", "near-silent"] == 2 and counted.loc["copy", "repeats its conditioning"] == 2
    said = items.remarks(checks)
    assert said[0].startswith("copy repeats its conditioning in 2 of 3") and said[1].startswith("quiet: 2 of 3")
    scores = tidy("copy", [30.0, 20.0, 4.0])
    table = pd.DataFrame({"system": ["copy"], "metric": ["COCOLA P+H"], "value": [18.0], "note": [""]})
    noted = items.note_flagged(table, scores, checks)
    assert noted.loc[0, "note"] == "2 of 3 are flagged; 4 without them"


def test_random_answers_as_each_protocol_says():
    tracks, classes = list("aabbcc"), ["bass", "keys"] * 3
    assert strangers(tracks) == [2, 2, 4, 4, 0, 0]
    drawn = strangers(tracks, kind="class", classes=classes, seed=42)
    assert sorted(drawn) == list(range(6)) and all(classes[i] == classes[j] for i, j in enumerate(drawn))
    assert drawn == strangers(tracks, kind="class", classes=classes, seed=42)
    assert all(i != j for i, j in enumerate(strangers(tracks, kind="chunk")))
