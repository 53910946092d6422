"""Protocols: what is exported and measured is what their table says, and a paper can quote it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyloudnorm
import pytest
import soundfile
from songs import write_bands
from tiny import clip, tiny_scorer
from typer.testing import CliRunner

from cocola_lib.accompaniment import published, systems
from cocola_lib.accompaniment.evaluate import Plan
from cocola_lib.accompaniment.measure import score_answers
from cocola_lib.accompaniment.methods import paragraph, published_rows
from cocola_lib.accompaniment.protocols import PROTOCOLS, RANDOM, describe, get_protocol
from cocola_lib.cli.app import app


def test_every_protocol_is_described_by_all_of_its_constants():
    for name, protocol in PROTOCOLS.items():
        table = describe(protocol).set_index("constant")["value"]
        assert table["protocol"] == name and table["Random answers with"] == RANDOM[protocol.random]
        assert table["questions"] == str(protocol.n) and (table != "").sum() >= 17
    paper, streamgen = (describe(PROTOCOLS[name]).set_index("constant")["value"] for name in ("paper", "streamgen"))
    assert paper["answers are cut to, s"] == "9.58" and paper["length of a conditioning, s"] == "47.55"
    assert streamgen["level of conditioning and stem, LUFS"] == "-18.0" and streamgen["seed"] == "42"
    with pytest.raises(ValueError, match="protocol is 'mine'; use ours, paper, streamgen, apa, multitrack"):
        get_protocol("mine")


def test_a_plan_takes_its_constants_from_the_protocol_and_options_go_before():
    plan = Plan.of("streamgen", hop_s=1.0, seed=None)
    assert (plan.cut_s, plan.hop_s, plan.seed, plan.embedders) == (10.0, 1.0, 42, ("VGGish",)) and plan.exact
    assert not Plan.of("streamgen", cut_s=6.0).exact and not Plan.of("ours").exact


def test_published_values_are_marked_and_name_their_source():
    rows = published_rows(PROTOCOLS["streamgen"]).set_index("metric")
    assert rows.loc["COCOLA P+H", "value"] == 54.28 and rows.loc["FAD of stems, VGGish", "better"] == "lower"
    assert rows["system"].str.endswith("(published)").all() and rows["note"].str.contains("stream-music-gen").all()


def test_questions_are_exported_at_the_protocols_rate_and_level(tmp_path):
    tracks = write_bands(tmp_path / "bands", n=2)
    protocol = replace(PROTOCOLS["streamgen"], n=2, chunk_s=5.0)
    drawn = systems.export(tracks, tmp_path / "q", 2, 5.0, 42, "x", (), protocol)
    for kind in ("conditioning", "reference"):
        x, rate = soundfile.read(tmp_path / f"q/{kind}/{drawn[0].id}.wav")
        loud = pyloudnorm.Meter(rate).integrated_loudness(x)
        assert rate == 32_000 and np.abs(x).max() <= 0.991
        assert loud == pytest.approx(-18, abs=0.1) or np.abs(x).max() == pytest.approx(0.99, abs=1e-3)


def test_where_the_rest_is_heard_nothing_that_sounds_is_missing(tmp_path):
    tracks = write_bands(tmp_path / "bands", n=2)
    for question in systems.draw_questions(tracks, 3, 5.0, rest=True):
        track = next(t for t in tracks if t.id == question.track_id)
        assert {*question.conditioning, question.asked} == set(track.stem_names)


def test_what_is_left_after_the_last_window_is_scored_only_where_a_protocol_says_so(tmp_path):
    from test_columns import trial

    heard, answer = clip(7.0, 1), clip(7.0, 2)
    asked = replace(trial({"a": [answer]}, [heard]), cut_s=7.0)
    scorer = tiny_scorer()
    plain, padded = (score_answers(asked, {"m": scorer}, 2.5, pad)["score"][0] for pad in (False, True))
    zeros = np.zeros(8_000, np.float32)
    ends = scorer.score(np.append(heard[40_000:], zeros), np.append(answer[40_000:], zeros)).both
    assert padded == pytest.approx((plain + ends) / 2, rel=1e-4)


def test_the_methods_name_the_checkpoint_the_numbers_and_what_failed():
    from test_columns import trial

    asked = trial({"a": [clip(5.0, 2)]}, [clip(5.0, 1)])
    rows = [("a", "COCOLA P+H", 1.0), ("a", "Beat F1 (librosa)", 0.4), ("a", "FAD CLAP", np.nan)]
    table = pd.DataFrame(rows, columns=["system", "metric", "value"])
    checks = pd.DataFrame({"system": ["a"], "flag": ["leak"]})
    scorer = tiny_scorer()
    notes = ["Beat F1 (librosa): a has 1 of 1 items without two beats on each side.", "something else"]
    text = paragraph(asked, PROTOCOLS["paper"], scorer, table, checks, notes)
    for part in (
        "protocol paper",
        "1 systems, 1 questions of 5.00 s",
        scorer.hash,
        "torch",
        "a 1.",
        "FAD CLAP",
        notes[0],
    ):
        assert part in text, part
    assert "something else" not in text and "\n" not in text


def test_the_command_describes_a_protocol_without_any_folder():
    for command in ("export", "evaluate"):
        done = CliRunner().invoke(app, ["accompany", command, "--protocol", "paper", "--describe"])
        assert done.exit_code == 0 and "9.58" in done.output and "MUSDB18-HQ test" in done.output


def test_a_context_that_prefers_its_own_output_wins_and_flagged_answers_are_left_out(tmp_path):
    class Shared:
        """Scores what two sides have in common: their correlation of loudness over time."""

        def matrix(self, first, second):
            def curve(x):
                return np.abs(x[: len(x) // 800 * 800]).reshape(-1, 800).mean(axis=1)

            return np.corrcoef([curve(x) for x in (*first, *second)])[: len(first), len(first) :]

    for i in range(4):
        heard, rng = clip(5.0, i), np.random.default_rng(9)
        answer = np.abs(heard) * np.sign(rng.standard_normal(len(heard))) if i < 3 else heard
        for side, x in (("context", heard), ("output", answer)):
            (tmp_path / f"echo/{i}").mkdir(parents=True, exist_ok=True)
            soundfile.write(tmp_path / f"echo/{i}/{side}.flac", x, 16_000)
    metrics = {"shared": Shared()}
    table = published.own_against_foreign(tmp_path, metrics, ("none", lambda x, rate: [])).set_index("metric")
    assert table.loc["shared P+H", "won"] == 1 and table.loc["shared P+H", "n"] == 3
    assert table.loc["shared P+H", "repeats its conditioning"] == 1
    assert table.loc["Beat F1 (none)", "n"] == 0 and np.isnan(table.loc["Beat F1 (none)", "won"])


def test_the_ladder_counts_how_far_a_column_is_in_order():
    rungs = list(published.RUNGS.items())
    rows = [(s, "up", float(r), "higher") for s, r in rungs] + [(s, "down", float(r), "lower") for s, r in rungs]
    rows += [(s, "FAD-inf x", float(r), "higher") for s, r in rungs] + [("other", "up", -9.0, "higher")]
    found = published.ladder(pd.DataFrame(rows, columns=["system", "metric", "value", "better"]))
    assert found.set_index("metric")["tau"].to_dict() == {"up": pytest.approx(1), "down": pytest.approx(-1)}
    assert found["n"].tolist() == [7, 7]
