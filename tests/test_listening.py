"""The listening test without a browser: sounds, design, answers on disk, one listener's way, tables, commands."""

import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from listening_tools import music, small_study

from cocola_lib.__main__ import main
from cocola_lib.accompaniment.systems import read_folder
from cocola_lib.data import audio
from cocola_lib.data.tracks import load_tracks
from cocola_lib.listening import rehearsal, results, stimuli, words
from cocola_lib.listening.design import Deal, plan
from cocola_lib.listening.folder import ATTENTION, HIGH, LOW, Settings, Study
from cocola_lib.listening.prepare import prepare
from cocola_lib.listening.ratings import read
from cocola_lib.listening.session import Session
from cocola_lib.listening.store import Store


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return music(tmp_path_factory.mktemp("music"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, data):
    return small_study(tmp_path_factory.mktemp("study") / "study", data)


@pytest.fixture
def store(prepared, tmp_path):
    return Store(prepared, tmp_path / "answers.sqlite")


def hear(session, clip, seconds=5.0, played_s=5.0):
    view = session.screen()["view"]
    session.do({"do": "listen", "view": view, "clip": clip, "covered_s": seconds, "played_s": played_s})


def rate(session, clip, rating):
    session.do({"do": "rate", "view": session.screen()["view"], "clip": clip, "rating": rating})


def begin(session, name):
    """Give a name, hear the examples, and start: the first page."""
    session.do({"do": "name", "name": name})
    for i in range(len(session.clips())):
        hear(session, i)
    session.do({"do": "begin"})


def take(session, name, chosen):
    """Take the whole test: {stimulus: rating} as it was answered, page by page."""
    begin(session, name)
    given = {}
    while session.clips():
        for i, clip in enumerate(session.clips()):
            given[clip] = chosen(clip)
            hear(session, i, 3.0, 4.5)
            rate(session, i, given[clip])
            assert session.problem == ""
        session.do({"do": "next"})
    session.do({"do": "finish"})
    assert session.listener.finished
    return given


# --- the design -------------------------------------------------------------------------------------------------------

deals = st.integers(1, 12).flatmap(
    lambda items: st.integers(1, 7).flatmap(
        lambda systems: st.tuples(st.just(items), st.just(systems), st.integers(1, items), st.integers(1, systems))
    )
)


@given(deals, st.integers(1, 40))
def test_no_clip_gets_more_than_one_listener_more_than_another_of_its_item_and_no_item_than_another(numbers, n):
    deal = Deal(*numbers)
    hands = [deal.hand(slot) for slot in range(n)]
    visits = Counter(dict.fromkeys(range(deal.n_items), 0))
    visits.update(item for hand in hands for item, _ in hand)
    assert max(visits.values()) - min(visits.values()) <= 1
    for item in range(deal.n_items):
        heard = Counter(dict.fromkeys(range(deal.n_systems), 0))
        heard.update(s for hand in hands for i, systems in hand if i == item for s in systems)
        assert max(heard.values()) - min(heard.values()) <= 1
    for hand in hands:
        assert len({item for item, _ in hand}) == len(hand), "an item twice for one listener"
        assert all(len(set(systems)) == deal.per_page for _, systems in hand)


@given(deals, st.integers(0, 40))
def test_the_pages_of_one_listener_hold_all_systems_about_equally_often(numbers, slot):
    deal = Deal(*numbers)
    heard = Counter(dict.fromkeys(range(deal.n_systems), 0))
    heard.update(s for _, systems in deal.hand(slot) for s in systems)
    assert max(heard.values()) - min(heard.values()) <= 2  # 1, and 1 more where the round of items begins again


def test_after_a_full_round_every_clip_has_equally_many_listeners(prepared):
    deal = prepared.deal
    rounds = deal.n_items * deal.n_systems  # enough for any numbers
    last = results.balance(prepared, [prepared.plan(slot) for slot in range(rounds)]).iloc[-1]
    assert last["least"] == last["most"] == rounds * deal.pages * deal.per_page / (deal.n_items * deal.n_systems)


def test_a_plan_is_a_function_of_seed_and_slot_and_pages_and_clips_are_shuffled():
    grid = [[f"{i}{s}" for s in "abcd"] for i in range(10)]
    deal = Deal(10, 4, 5, 4)
    first = plan(deal, grid, [["low", "high"]], ["beeps"], seed=3, slot=7)
    assert first == plan(deal, grid, [["low", "high"]], ["beeps"], seed=3, slot=7)
    assert first != plan(deal, grid, [["low", "high"]], ["beeps"], seed=4, slot=7)
    many = [plan(deal, grid, [["low", "high"]], ["beeps"], 3, slot) for slot in range(60)]
    assert {i for pages in many for i, page in enumerate(pages) if "low" in page} == set(range(6))
    assert {page.index("beeps") for pages in many for page in pages if "beeps" in page} == set(range(5))
    orders = {tuple(page) for pages in many for page in pages if "0a" in page and "beeps" not in page}
    assert len(orders) > 5, "clips always stand in one order"
    for pages in many:
        assert sum("beeps" in page for page in pages) == 1 and ["high", "low"] in [sorted(p) for p in pages]


def test_a_design_that_cannot_be_met_says_what_can():
    with pytest.raises(ValueError, match="pages is 11; with this study it is a number from 1 to 10"):
        Deal(10, 4, 11, 4)
    with pytest.raises(ValueError, match="per_page is 5; .* 1 to 4"):
        Deal(10, 4, 5, 5)


# --- the sounds -------------------------------------------------------------------------------------------------------


def test_every_clip_is_a_mix_of_its_parts_at_one_level(prepared):
    levels = []
    for row in prepared.stimuli.query("conditioning != ''").to_dict("records"):
        given_part, added, mix = (audio.read(prepared.folder / row[part]) for part in ("conditioning", "output", "mix"))
        summed = given_part + added
        gain = (mix @ summed) / (summed @ summed)
        assert np.abs(mix - gain * summed).max() < 1e-3
        assert abs(audio.rms_dbfs(given_part) - audio.rms_dbfs(added)) < 0.1
        levels.append(audio.rms_dbfs(mix))
    assert max(levels) - min(levels) < 0.1, "a clip is louder than another"


def test_random_comes_from_another_song_and_the_truth_from_the_same(prepared):
    stimuli_of = prepared.stimuli.set_index(["item", "system"])
    for item in range(prepared.deal.n_items):
        other = stimuli_of.loc[(item, "Random"), "detail"].removeprefix("from ")
        assert other != stimuli_of.loc[(item, "Random"), "track"]
        assert stimuli_of.loc[(item, "Shifted"), "detail"] not in ("+0 semitones", "+12 semitones")


@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=12), st.integers(0, 1000))
def test_strangers_are_never_oneself_of_another_track_and_all_different_where_tracks_allow(tracks, seed):
    chosen = stimuli.strangers(tracks, np.random.default_rng(seed))
    assert all(i != j for i, j in enumerate(chosen))
    if len(set(tracks)) > 1:
        assert all(tracks[i] != tracks[j] for i, j in enumerate(chosen))
    if 2 * max(Counter(tracks).values()) <= len(tracks) or len(set(tracks)) == 1:  # there is an exchange without rest
        assert sorted(chosen) == list(range(len(tracks))), "an answer is used twice although there are enough"


def test_strangers_are_drawn_by_the_seed():
    tracks = [f"track {i}" for i in range(9)]
    drawn = {tuple(stimuli.strangers(tracks, np.random.default_rng(seed))) for seed in range(5)}
    assert len(drawn) == 5
    assert stimuli.strangers(tracks, np.random.default_rng(0)) in map(list, drawn)


def test_as_many_beeps_as_are_asked_for():
    tone = np.full(80_000, 0.1, dtype=np.float32)
    for n in stimuli.N_BEEPS:
        loud = np.abs(stimuli.beeps(tone, n)[16_000:]) > 0.05
        gaps = np.diff(np.flatnonzero(loud))
        assert 1 + (gaps > 2_000).sum() == n
        assert np.flatnonzero(loud)[-1] + 16_000 < 3.0 * 16_000, "beeps after those 3 s that must be heard"


def test_the_same_settings_and_data_give_the_same_study_and_nothing_is_made_twice(prepared, data, tmp_path):
    again = small_study(tmp_path / "again", data)
    assert (again.folder / "study.json").read_bytes() == (prepared.folder / "study.json").read_bytes()
    for row in again.by_id.values():
        assert (again.folder / row["mix"]).read_bytes() == (prepared.folder / row["mix"]).read_bytes()
    before = (again.folder / "study.json").stat().st_mtime_ns
    assert small_study(tmp_path / "again", data).hash == prepared.hash
    assert (again.folder / "study.json").stat().st_mtime_ns == before


def test_a_study_with_answers_is_never_overwritten_and_one_without_is(data, tmp_path):
    first = small_study(tmp_path / "study", data)
    early = Store(first)
    other = small_study(tmp_path / "study", data, seed=1)
    assert other.hash != first.hash and Study(tmp_path / "study").settings.seed == 1
    with pytest.raises(ValueError, match="made anew meanwhile. Please reload"):
        early.join("somebody who had the old page open")
    Store(other).join("somebody")
    with pytest.warns(UserWarning, match="a study with answers.*Give another folder"):
        kept = small_study(tmp_path / "study", data, seed=2)
    assert kept.hash == other.hash


def test_systems_of_a_folder_are_rated_beside_the_kinds(data, tmp_path):
    rows = ["id,conditioning,output,reference,stem_class,system"]
    for i in range(6):
        truth = f"{i}-truth.wav"
        audio.write(tmp_path / "out" / f"{i}.wav", audio.read(data / f"song {i:02d}" / "chord.wav"))
        audio.write(tmp_path / "out" / truth, audio.read(data / f"song {i:02d}" / "pulse.wav"))
        for system in ("model a", "model b"):
            audio.write(tmp_path / "out" / f"{system} {i}.wav", audio.read(data / f"song {i + 1:02d}" / "pulse.wav"))
            if (i, system) != (5, "model b"):
                rows.append(f"id {i},{i}.wav,{system} {i}.wav,{truth},drums,{system}")
    (tmp_path / "out" / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    settings = Settings(n_items=20, pages=2, n_anchors=1)
    study = prepare(tmp_path / "study", settings=settings, systems=[tmp_path / "out"])
    assert study.systems == ["Random", "Shifted", "Stretched", "Ground Truth", "model a", "model b"]
    assert study.deal.n_items == 2 and "id 5" not in set(study.stimuli["track"])  # 5 complete ids, 3 of them set aside
    row = study.stimuli.query("system == 'model b' and item == 0").iloc[0]
    kept, source = (
        audio.read(path, duration_s=5.0) for path in (study.folder / row["output"], tmp_path / "out" / row["detail"])
    )
    assert np.corrcoef(kept, source)[0, 1] > 0.999


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale_min": 2}, "scale_min is 2; use 0 .* or 1"),
        ({"listen_s": 6.0}, "listen_s is 6.0 s; it must lie within a clip"),
        ({"n_attention": 5}, "n_attention is 5; use 0 to 4"),
        ({"n_items": 1}, "n_items 1"),
        ({"seconds": 2.0, "listen_s": 1.0}, "attention clips need 4 s"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_one_line(change, message):
    with pytest.raises(ValueError, match=message):
        Settings(**change)


def test_a_study_that_is_cut_off_while_it_is_made_leaves_no_half_manifest_and_is_made_again(
    data, tmp_path, monkeypatch
):
    def full_disk(self, *_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(pd.DataFrame, "to_csv", full_disk)
        with pytest.raises(OSError, match=r"manifest.csv: cannot be written \(No space left on device\)"):
            small_study(tmp_path / "study", data)
    assert not (tmp_path / "study" / "manifest.csv").exists() and not (tmp_path / "study" / "study.json").exists()
    assert len(read_folder(small_study(tmp_path / "study", data).folder)) == 6 * 4


def test_too_little_data_says_how_much_is_needed(data, tmp_path):
    with pytest.raises(ValueError, match="hold 2 items of 5 s; a study needs 2 to rate, 1 for hidden anchors and 2"):
        prepare(tmp_path / "study", load_tracks(data)[:2])
    assert not (tmp_path / "study").exists()


# --- answers on disk --------------------------------------------------------------------------------------------------

WRITER = """
import sys
from cocola_lib.listening.folder import Study
from cocola_lib.listening.store import Store
store = Store(Study(sys.argv[1]), sys.argv[2])
name = store.join(sys.argv[3]).name
clips = [clip for page in store.pages(name) for clip in page]
for n in range(int(sys.argv[4])):
    clip = clips[n % len(clips)]
    store.listen(name, clip, 5.0, 5.0)
    store.rate(name, clip, n % 5)
    print(n, clip, n % 5, flush=True)  # only what is on disk is told
"""


def writer(study, path, name, n):
    command = [sys.executable, "-c", WRITER, str(study.folder), str(path), name, str(n)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_writer_killed_in_the_middle_loses_no_answer_that_it_told_of(prepared, tmp_path):
    path = tmp_path / "answers.sqlite"
    process = writer(prepared, path, "victim", 10_000)
    told = [process.stdout.readline() for _ in range(40)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.read().splitlines(keepends=True)
    process.wait()
    told = [line.split() for line in told if line.endswith("\n")]
    assert len(told) < 10_000, "it was not killed in the middle"
    rows = Store(prepared, path).read("SELECT stimulus, rating FROM answers ORDER BY id")
    kept = list(rows.itertuples(index=False, name=None))
    assert kept[: len(told)] == [(clip, int(rating)) for _, clip, rating in told]
    assert len(kept) - len(told) in (0, 1)  # killed between the disk and the word of it


def test_many_listeners_at_once_get_slots_of_their_own_and_keep_their_answers(prepared, tmp_path):
    path = tmp_path / "answers.sqlite"  # not there yet: all of them try to make it
    crowd = [writer(prepared, path, f"listener {i}", 20) for i in range(4)]
    told = {f"listener {i}": process.communicate()[0].splitlines() for i, process in enumerate(crowd)}
    assert [process.returncode for process in crowd] == [0] * 4
    store = Store(prepared, path)
    assert sorted(store.find(name).slot for name in told) == [0, 1, 2, 3]
    for name, lines in told.items():
        last = {clip: int(rating) for _, clip, rating in map(str.split, lines)}
        assert store.answers(name) == last
    slots = {store.find(name).slot: store.pages(name) for name in told}
    assert all(pages == prepared.plan(slot) for slot, pages in slots.items())


def test_a_name_is_the_same_in_capitals_and_however_its_accents_are_typed(store):
    first = store.join("J\u00e9r\u00f4me \u00d6")
    again = [store.join(name) for name in ("J\u00c9R\u00d4ME \u00f6", "Je\u0301ro\u0302me O\u0308")]
    assert {known.name for known in again} == {first.name} and store.join("Jerome O").slot == first.slot + 1


def test_an_answer_that_cannot_be_kept_is_said(prepared, store, monkeypatch):
    session = Session(prepared, store)
    monkeypatch.setattr(store, "join", lambda name: (_ for _ in ()).throw(sqlite3.OperationalError("disk full")))
    session.do({"do": "name", "name": "Anna"})
    assert session.problem == words.NOT_KEPT and session.listener is None


def test_every_answer_is_flushed_and_none_is_overwritten(store):
    assert store.read("PRAGMA journal_mode").iloc[0, 0] == "wal"
    assert store.read("PRAGMA synchronous").iloc[0, 0] == 2  # FULL
    clip = store.pages(store.join("bob").name)[0][0]
    store.listen("bob", clip, 5.0, 5.0)
    for rating in (1, 4, 2):
        store.rate("bob", clip, rating)
    assert store.answers("bob") == {clip: 2}
    assert store.read("SELECT rating FROM answers")["rating"].tolist() == [1, 4, 2]


def test_a_copy_of_the_file_alone_has_every_answer_while_the_test_is_served(prepared, store, tmp_path):
    clip = store.pages(store.join("bob").name)[0][0]
    store.listen("bob", clip, 5.0, 5.0)
    store.rate("bob", clip, 3)
    second = Store(prepared, store.path)  # another kernel
    second.join("eve")
    shutil.copy(store.path, tmp_path / "copy.sqlite")
    copy = Store(prepared, tmp_path / "copy.sqlite")
    assert copy.answers("bob") == {clip: 3} and copy.find("eve") is not None
    assert "answers.sqlite   every answer" in (prepared.folder / "README.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("there", [True, False])
def test_a_file_of_answers_that_may_not_be_written_is_not_called_damaged(there, prepared, tmp_path, monkeypatch):
    path, connect = tmp_path / "answers.sqlite", sqlite3.connect
    if there:
        Store(prepared, path).close()
    monkeypatch.setattr(sqlite3, "connect", lambda file, **o: connect(f"file:{file}?mode=ro", uri=True, **o))
    with pytest.raises(OSError, match="answers.sqlite: cannot be written .*make room, or allow it$"):
        Store(prepared, path)


def test_only_ones_own_clips_can_be_rated_on_the_scale_and_after_listening(store):
    pages = store.pages(store.join("bob").name)
    clip = pages[0][0]
    with pytest.raises(ValueError, match=r"0.0 s heard of .*; 1 s are needed"):
        store.rate("bob", clip, 3)
    store.listen("bob", clip, 1.0, 1.0)
    with pytest.raises(ValueError, match="rating 5; the scale has 0, 1, 2, 3, 4"):
        store.rate("bob", clip, 5)
    store.rate("bob", clip, 3)
    foreign = next(s for s in store.study.by_id if s not in {c for page in pages for c in page})
    store.listen("bob", foreign, 5.0, 5.0)
    with pytest.raises(ValueError, match="is on no page of listener 'bob'"):
        store.rate("bob", foreign, 3)


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "a\x00b"])
def test_an_impossible_name_is_refused_in_words_for_the_listener(store, name):
    with pytest.raises(ValueError, match="Please enter a made-up name of 1 to 40 characters"):
        store.join(name)


def test_damaged_and_foreign_files_of_answers_are_one_line(prepared, data, tmp_path):
    path = tmp_path / "answers.sqlite"
    path.write_bytes(b"no database " * 400)
    with pytest.raises(ValueError, match="answers.sqlite: cannot be read as a file of answers .*move it away"):
        Store(prepared, path)
    path.unlink()
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE recipes (cake TEXT)")
    foreign.close()
    with pytest.raises(ValueError, match="a database of something else"):
        Store(prepared, path)
    assert [row[0] for row in sqlite3.connect(path).execute("SELECT name FROM sqlite_master")] == ["recipes"]
    path.unlink()
    Store(prepared, path).join("somebody")
    other = small_study(tmp_path / "other", data, seed=5)
    with pytest.raises(ValueError, match="holds answers to another study"):
        Store(other, path)


def test_a_file_of_answers_that_lost_pages_is_one_line(store, prepared):
    rehearsal.rehearse(store, 3, seed=0)
    store.read("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    content = bytearray(store.path.read_bytes())
    content[4096 * 2 :] = bytes(len(content) - 4096 * 2)
    store.path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as a file of answers"):
        Store(prepared, store.path)


# --- one listener's way -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["NA", "None", "null", "nan"])
def test_a_listener_whose_name_looks_like_nothing_is_in_the_table_that_is_read_back(prepared, store, tmp_path, name):
    take(Session(prepared, store), name, lambda clip: 2)
    results.export(store, tmp_path / "ratings.csv")
    assert set(read(tmp_path / "ratings.csv").ratings["listener"]) == {name}


def test_the_export_is_what_was_answered(prepared, store, tmp_path):
    rng = np.random.default_rng(1)
    given = {name: take(Session(prepared, store), name, lambda clip: int(rng.integers(5))) for name in ("ann", "bob")}
    results.export(store, tmp_path / "ratings.csv")
    frame = pd.read_csv(tmp_path / "ratings.csv", keep_default_na=False)
    assert tuple(frame.columns) == results.COLUMNS
    for name, answers in given.items():
        rows = iter(frame[frame["listener"] == name].to_dict("records"))
        for number, page in enumerate(store.pages(name), 1):
            for position, clip in enumerate(page, 1):
                row, source = next(rows), prepared.by_id[clip]
                assert (row["page"], row["position"], row["rating"]) == (number, position, answers[clip])
                assert (row["system"], row["item"], row["track"]) == (source["system"], source["item"], source["track"])
                assert row["seconds"] == 4.5
                assert not row["output"] or (tmp_path / row["output"]).is_file()
        assert next(rows, None) is None
    assert set(frame["scale_min"]) == {0} and set(frame["scale_max"]) == {4}


def test_attention_checks_and_hidden_anchors_are_no_systems_in_the_export(prepared, store):
    rehearsal.rehearse(store, 4, seed=0, n_careless=1)
    frame = results.ratings(store)
    assert set(frame.loc[~frame["attention"] & ~frame["anchor"], "system"]) == set(prepared.systems)
    assert set(frame.loc[frame["attention"], "system"]) == {ATTENTION}
    assert set(frame.loc[frame["anchor"], "system"]) == {LOW, HIGH}
    checks = frame[frame["attention"]]
    assert checks["expected"].notna().all() and frame.loc[~frame["attention"], "expected"].isna().all()
    careful = checks["listener"] != "simulated 04"
    assert (checks.loc[careful, "rating"] == checks.loc[careful, "expected"]).all()
    status = results.status(store).set_index("listener")
    assert (status["finished"] != "not yet").all()
    assert status.loc["simulated 01", "attention"] == "1 of 1"
    assert status.loc["simulated 01", "rated"] == "13 of 13"


def test_a_listener_resumes_on_the_same_page_with_the_same_answers(prepared, store):
    session = Session(prepared, store)
    begin(session, "ann")
    for _ in range(2):
        for i in range(len(session.clips())):
            hear(session, i)
            rate(session, i, 3)
        session.do({"do": "next"})
    hear(session, 0, 2.0, 2.0)
    rate(session, 0, 1)
    later = Session(prepared, Store(prepared, store.path))
    later.do({"do": "name", "name": " ANN "})
    assert later.screen()["view"] == "welcome back" and "page 3" in later.screen()["text"][0]
    later.do({"do": "begin"})
    assert later.screen() == session.screen()
    assert later.screen()["clips"][0]["rating"] == 1
    later.do({"do": "back"})
    assert [clip["rating"] for clip in later.screen()["clips"]] == [3] * len(later.clips())


def test_no_way_forward_past_an_unrated_clip_and_none_back_past_the_training(prepared, store):
    session = Session(prepared, store)
    session.do({"do": "name", "name": "ann"})
    session.do({"do": "begin"})
    assert session.screen()["view"] == "training" and session.problem == "3 examples left to play"
    session.do({"do": "back"})
    assert session.screen()["view"] == "training"
    for i in range(3):
        hear(session, i)
    session.do({"do": "begin"})
    session.do({"do": "next"})
    assert session.screen()["view"] == "page 0" and "left to rate" in session.problem
    session.do({"do": "finish"})
    assert session.screen()["view"] == "page 0" and "not rated yet" in session.problem


def test_what_is_told_of_a_page_that_was_left_is_not_counted_for_the_next_one(prepared, store):
    session = Session(prepared, store)
    begin(session, "ann")
    late = {"view": "training", "clip": 0}  # an example that was still playing when the test began
    session.do({"do": "listen", "covered_s": 5.0, "played_s": 5.0} | late)
    session.do({"do": "rate", "rating": 4} | late)
    assert session.problem == "" and not store.heard("ann") and not store.answers("ann")
    rate(session, 0, 4)
    assert "0.0 s heard" in session.problem
    hear(session, 0)
    rate(session, 0, 4)
    assert store.answers("ann") == {session.clips()[0]: 4}


def test_answers_are_final_after_finish(prepared, store):
    session = Session(prepared, store)
    given = take(session, "ann", lambda clip: 2)
    for message in ({"do": "rate", "view": "thanks", "clip": 0, "rating": 4}, {"do": "back"}, {"do": "next"}):
        session.do(message)
        assert session.screen()["view"] == "thanks"
    assert store.answers("ann") == given


def test_no_screen_tells_which_system_a_clip_is(prepared, store):
    session = Session(prepared, store)
    begin(session, "ann")
    shown = json.dumps(session.screen())
    for secret in (*prepared.systems, LOW, HIGH, ATTENTION, *session.clips()):
        assert secret not in shown


@pytest.mark.parametrize(
    "message",
    [
        {"do": "rate", "view": "welcome", "clip": 0, "rating": 3},
        {"do": "rate", "clip": 0, "rating": 3},
        {"do": "dance"},
        {},
        {"do": "listen", "view": "welcome", "clip": 99, "covered_s": 1, "played_s": 1},
    ],
)
def test_a_message_that_makes_no_sense_here_breaks_nothing(prepared, store, message):
    session = Session(prepared, store)
    session.do(message)
    assert session.screen()["view"] == "welcome" and session.screen()["problem"]


def test_the_scale_can_be_1_to_5(data, tmp_path):
    study = small_study(tmp_path / "study", data, scale_min=1)
    store = Store(study)
    take(Session(study, store), "ann", lambda clip: 5)
    frame = results.ratings(store)
    assert set(frame["rating"]) == {5} and set(frame["scale_min"]) == {1} and set(frame["scale_max"]) == {5}
    assert [rating for rating, _ in study.scale] == [1, 2, 3, 4, 5]


# --- the widget and the commands --------------------------------------------------------------------------------------


def test_the_widget_sends_the_sounds_of_its_screen_and_acknowledges_after_the_disk(prepared, tmp_path, monkeypatch):
    from cocola_lib.listening.room import Room

    room, sent = Room(prepared, tmp_path / "answers.sqlite"), []
    monkeypatch.setattr(room, "send", lambda content, buffers=None: sent.append((content, buffers)))
    room._receive(None, {"do": "name", "name": "ann", "id": "1"}, [])
    assert sent.pop() == ({"done": "1", "token": room.session.token()}, None)
    assert Store(prepared, tmp_path / "answers.sqlite").find("ann") is not None
    room._receive(None, {"do": "sounds", "id": "2"}, [])
    content, buffers = sent.pop()
    assert content == {"sounds": "training", "done": "2"}
    assert buffers == [(prepared.folder / row["mix"]).read_bytes() for row in prepared.training()]
    assert room.screen["view"] == "training" and room.alone is False


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["listen", *map(str, arguments)])
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def test_prepare_status_and_export_from_the_command_line(capsys, data, tmp_path):
    folder = tmp_path / "test"
    options = ("--data-root", data, "--split", "train", "--items", "4", "--pages", "2", "--listen-s", "1")
    code, out, err = command(capsys, "prepare", folder, *options)
    assert code == 0, err
    assert "4 items, Random, Shifted, Stretched, Ground Truth; a listener hears 12 clips on 3 pages" in out
    code, _, err = command(capsys, "export", folder)
    assert code == 2 and err.count("\n") == 1 and "nobody has taken the test yet" in err
    take(Session(Study(folder), Store(Study(folder))), "ann", lambda clip: 1)
    code, out, err = command(capsys, "export", folder)
    assert code == 0 and "12 answers of 1 listener, 8 of them rate systems" in out
    assert len(pd.read_csv(folder / "ratings.csv")) == 12
    code, out, err = command(capsys, "status", folder)
    assert code == 0 and "ann" in out and "1 listener, 1 finished" in err


def test_who_has_not_finished_is_not_counted_as_finished_beside_one_who_has(capsys, data, tmp_path):
    study = small_study(tmp_path / "study", data)
    store = Store(study)
    take(Session(study, store), "ann", lambda clip: 1)
    begin(Session(study, store), "bob")
    code, out, err = command(capsys, "status", study.folder)
    assert code == 0 and "2 listeners, 1 finished" in err
    assert results.status(store).set_index("listener")["finished"]["bob"] == "not yet"
    assert out.count("not yet") == 1


def test_a_taken_port_is_one_line_and_no_link_to_another_server(capsys, prepared):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, out, err = command(capsys, "serve", prepared.folder, "--port", port, "--no-browser")
    assert code == 2 and err.count("\n") == 1 and f"port {port} of 127.0.0.1 cannot be used" in err
    assert "http" not in out + err


def test_every_option_of_prepare_reaches_the_settings(capsys, data, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("cocola_lib.listening.prepare.from_data", lambda *given: asked.append(given) or 1 / 0)
    numbers = {"seed": 3, "items": 5, "pages": 2, "per-page": 3, "anchors": 0, "attention": 1, "scale-min": 1}
    options = [f"--{name}={value}" for name, value in (numbers | {"seconds": 4.5, "listen-s": 2.0}).items()]
    with pytest.raises(ZeroDivisionError):
        main(["listen", "prepare", str(tmp_path), "--systems", "a", "--systems", "b", "--split", "valid", *options])
    assert asked == [(tmp_path, None, Settings(3, 5, 2, 3, 0, 1, 4.5, 2.0, 1), (Path("a"), Path("b")), "valid")]


def test_commands_on_a_folder_without_a_study_say_what_to_do(capsys, tmp_path):
    for name in ("export", "status"):
        code, _, err = command(capsys, name, tmp_path)
        assert code == 2 and err.count("\n") == 1 and "there is no study; make one with" in err
    (tmp_path / "study.json").write_text('{"format": "something else"}', encoding="utf-8")
    code, _, err = command(capsys, "serve", tmp_path)
    assert code == 2 and err.count("\n") == 1 and "not a study of cocola-listening-1" in err


class Loudness:
    """Stands for a model: scores a pair by what it was given, so that mixed-up files are noticed."""

    modes = ("both",)

    def matrices(self, conditionings, outputs):
        return {"both": [[float(a @ a) - float(b @ b) for b in outputs] for a in conditionings]}


@pytest.mark.parametrize("where", ["study", "elsewhere"])
def test_notebook_07_reads_the_exported_table_and_finds_its_audio_and_scores_it(data, tmp_path, where):
    from cocola_lib.listening import metric_scores, screening

    study = small_study(tmp_path / "study", data)
    store = Store(study)
    rehearsal.rehearse(store, 3, seed=0, n_careless=1)
    path = tmp_path / where / "ratings.csv"
    frame = results.export(store, path)
    found = read(path)
    assert found.scale == (0, 4) and found.not_rated == 0
    assert found.simulated, "invented listeners are taken for people"
    for column in ("listener", "system", "rating", "attention", "anchor", "position", "seconds"):
        assert found.ratings[column].tolist() == frame[column].tolist(), column
    assert set(found.rated["system"]) == set(study.systems)
    assert set(found.rated["track"]) <= set(study.stimuli["track"]) - {""}
    assert set(found.ratings.loc[found.ratings["anchor"], "system"]) == {"(high anchor)", "(low anchor)"}
    checks = found.ratings[found.ratings["attention"]]
    assert checks["expected"].notna().all()
    assert (checks["rating"] == checks["expected"]).tolist()[:2] == [True, True]
    screened = screening.screen(found.ratings)
    assert set(screened["listener"]) == {"simulated 01", "simulated 02", "simulated 03"}
    scores = metric_scores.from_audio(found.rated, {"loudness": Loudness()}).set_index(["item", "system"])["score"]
    for row in study.stimuli[study.stimuli["system"].isin(study.systems)].to_dict("records"):
        if (str(row["item"]), row["system"]) in scores.index:
            given_part, added = (audio.read(study.folder / row[part]) for part in ("conditioning", "output"))
            expected = float(given_part @ given_part) - float(added @ added)
            assert scores[str(row["item"]), row["system"]] == pytest.approx(expected)


BROKEN = {
    "deep": lambda study: "[" * 100_000,
    "text for a number": lambda study: study | {"settings": study["settings"] | {"pages": "8"}},
    "no stimuli": lambda study: study | {"stimuli": []},
    "a stimulus less": lambda study: study | {"stimuli": study["stimuli"][1:]},
    "a stimulus twice": lambda study: study | {"stimuli": study["stimuli"] + study["stimuli"][:1]},
    "another system": lambda study: study | {"systems": ["x"]},
    "a file elsewhere": lambda study: study | {"stimuli": [s | {"mix": "../../secret"} for s in study["stimuli"]]},
    "text for beeps": lambda study: study | {"stimuli": [s | {"expected": "two"} for s in study["stimuli"]]},
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_study_edited_by_hand_is_refused_before_it_is_served(capsys, prepared, tmp_path, change):
    content = change(json.loads((prepared.folder / "study.json").read_text(encoding="utf-8")))
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "study.json").write_text(text, encoding="utf-8")
    code, _, err = command(capsys, "serve", tmp_path, "--port", free_port())
    assert code == 2 and err.count("\n") == 1 and "study.json: not a study of" in err


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_study_whose_sounds_are_gone_is_not_served(capsys, prepared, tmp_path):
    (tmp_path / "study.json").write_bytes((prepared.folder / "study.json").read_bytes())
    code, _, err = command(capsys, "serve", tmp_path, "--port", free_port())
    assert code == 2 and err.count("\n") == 1 and "-mix.flac: missing or empty" in err


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DROP TABLE heard", "no column heard.covered_s"),
        ("ALTER TABLE answers RENAME COLUMN rating TO stars", "no column answers.rating"),
        ("DELETE FROM study", "holds answers to another study"),
        ("UPDATE answers SET rating = 'abc'", "ann rated .* abc, which the test has not"),
        ("UPDATE answers SET rating = 77", "ann rated .* 77, which the test has not"),
    ],
)
def test_answers_that_something_else_has_changed_are_one_line(prepared, store, statement, says):
    take(Session(prepared, store), "ann", lambda clip: 1)
    store.close()
    with sqlite3.connect(store.path, isolation_level=None) as db:
        db.execute(statement)
    db.close()
    with pytest.raises(ValueError, match=f"answers.sqlite: .*{says}"):
        results.ratings(Store(prepared, store.path))


def test_a_study_is_made_in_no_folder_of_something_else_and_over_no_answers(data, tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/manifest.csv").write_text("id\n1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="outputs: holds something else, such as manifest.csv; choose a new folder"):
        small_study(tmp_path / "outputs", data)
    assert (tmp_path / "outputs/manifest.csv").read_text(encoding="utf-8") == "id\n1\n"
    study = small_study(tmp_path / "study", data)
    Store(study).join("ann")
    (study.folder / "study.json").unlink()
    sound = (study.folder / "audio/s0000-mix.flac").stat().st_mtime_ns
    with pytest.raises(ValueError, match="holds answers, and no study.json: put it back"):
        small_study(study.folder, data, seed=1)
    assert (study.folder / "audio/s0000-mix.flac").stat().st_mtime_ns == sound
    with pytest.raises(OSError, match=r"study\.json: cannot be written"):
        small_study(study.folder / "README.txt", data)


def test_an_export_replaces_ratings_and_nothing_else(prepared, store, tmp_path):
    take(Session(prepared, store), "ann", lambda clip: 1)
    (tmp_path / "mine.csv").write_text("name,born\nann,1990\n", encoding="utf-8")
    with pytest.raises(ValueError, match="mine.csv: exists and is no result of this command"):
        results.export(store, tmp_path / "mine.csv")
    with pytest.raises(ValueError, match="answers.sqlite: ratings are written as .csv"):
        results.export(store, store.path)
    for _ in range(2):
        results.export(store, tmp_path / "ratings.csv")


@pytest.mark.parametrize("name", ["(attention)", "(training)", "Random"])
def test_a_system_is_not_called_like_a_row_of_the_test(name):
    frame = pd.DataFrame({"id": ["1"], "system": [name], "reference": ["x"], "output": ["x"], "conditioning": ["x"]})
    with pytest.raises(ValueError, match="makes a row of this name itself"):
        stimuli.items_from_folder(frame, 1, 0, 5.0)
