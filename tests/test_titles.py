"""What tracks are called on the page: where MoisesDB has UUIDs, people read artist and song."""

import re

import numpy as np
import pytest

from cocola_lib.accompaniment.measure import Trial
from cocola_lib.data.tracks import load_tracks
from cocola_lib.notebook import accompaniment
from cocola_lib.notebook.quiz import draw_round
from cocola_lib.notebook.titles import in_words, title
from cocola_lib.sampling import WindowSampler

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def moises(tiny_sets):
    return load_tracks(tiny_sets["mini-moisesdb"])


def test_ids_within_a_text_become_titles_and_other_words_stay(moises, tiny_sets):
    first, second = moises[:2]
    assert UUID.search(first.id) and not UUID.search(title(first))
    told = in_words(f"bass of {first.id}, over {second.id}, from 3 s", moises)
    assert told == f"bass of {title(first)}, over {title(second)}, from 3 s"
    slakh = load_tracks(tiny_sets["mini-slakh2100"])
    assert in_words(f"bass of {slakh[0].id}", slakh) == f"bass of {slakh[0].id}"


def test_the_answer_to_a_question_names_a_strangers_song(moises):
    sampler = WindowSampler(moises)
    told = draw_round(sampler.batch(4, 0, 0), sampler, "other track", 3, np.random.default_rng(0)).what
    assert any("mini-moisesdb" in what for what in told) and not any(map(UUID.search, told))


def test_the_questions_of_notebook_04_have_titles_and_a_manifests_names_stay(moises):
    trial = Trial(["0", "1"], [moises[0].id, "mine"], ["bass"] * 2, [None] * 2, [None] * 2, {}, 5.0)
    assert accompaniment.named(trial, moises).tracks == [title(moises[0]), "mine"]
