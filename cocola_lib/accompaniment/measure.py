"""Questions, everybody's answers, and what is measured of them: the second step to Table III, after `systems`.

A `Trial` holds the questions and the answers; `score_answers` and `embed_mixes` measure them once, and what they
return is stored. `table3` makes the table of that alone. Notebook 04 and `cocola accompany evaluate` do the same.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib.accompaniment.systems import Question, read_question
from cocola_lib.data import audio
from cocola_lib.data.stems import Track
from cocola_lib.features import MODE_LABELS
from cocola_lib.files import whole
from cocola_lib.scoring import Scorer


@dataclass(frozen=True)
class Trial:
    """n questions and the answers of every system.

    `ids`, `tracks`, `classes`: n each; `conditionings`: n clips; `references`: n true answers, None where one is
    missing; `answers`: system -> n clips, in the table's order. A clip is a path, or (N,) float32 at 16 kHz. `cut_s`:
    everything is cut to its first so many seconds. `notes`: sentences about what was cut, left out or made here.
    """

    ids: list[str]
    tracks: list[str]
    classes: list[str]
    conditionings: list
    references: list
    answers: dict[str, list]
    cut_s: float
    notes: tuple[str, ...] = ()

    def read(self, clip, rate: int = audio.SAMPLE_RATE) -> np.ndarray:
        """A clip at a rate, cut to `cut_s` (zeros after its end): (N,) float32."""
        if isinstance(clip, np.ndarray):
            x = audio.resample(clip, audio.SAMPLE_RATE, rate)[: round(self.cut_s * rate)]
            return np.pad(x, (0, round(self.cut_s * rate) - len(x)))
        return audio.read(clip, rate, duration_s=self.cut_s)


def trial_from_questions(questions: Sequence[Question], tracks: Sequence[Track], chunk_s: float) -> Trial:
    """Questions that were drawn here as a trial that nobody has answered yet."""
    by_id = {track.id: track for track in tracks}
    heard, true = zip(*(read_question(q, by_id, chunk_s) for q in questions), strict=True)
    ids, names, classes = zip(*((q.id, q.track_id, q.stem_class) for q in questions), strict=True)
    return Trial(list(ids), list(names), list(classes), list(heard), list(true), {}, chunk_s)


def trial_from_folders(frame: pd.DataFrame, cut_s: float | None = None) -> Trial:
    """What `systems.read_folders` returned as a trial: the questions that every system answers.

    Args:
        frame: its rows.
        cut_s: seconds to cut everything to; None is the shortest clip, as in the paper.
    Raises:
        ValueError: no question that all systems answer, or clips too short to score.
    """
    per_system = {name: rows.set_index("id") for name, rows in frame.groupby("system", sort=False)}
    common = [i for i in dict.fromkeys(frame["id"]) if all(i in rows.index for rows in per_system.values())]
    if not common:
        raise ValueError(f"{', '.join(per_system)}: no question (id) that all of them answer")
    answers = {name: list(rows.loc[common, "output"]) for name, rows in per_system.items()}
    first = frame.drop_duplicates("id").set_index("id").loc[common]
    known = frame[frame["reference"] != ""].drop_duplicates("id").set_index("id")["reference"]
    references = [known.get(i) for i in common]
    clips = [*first["conditioning"], *filter(None, references), *sum(answers.values(), [])]
    cut_s, notes = _shared_length(clips, cut_s)
    if (n := frame["id"].nunique()) > len(common):
        notes.append(f"{len(common)} of {n} questions are answered by every system; only these count.")
    if missing := references.count(None):
        notes.append(f"{missing} of {len(common)} questions have no reference: no Ground Truth, Random, FAD or APA.")
    columns = (list(first[name]) for name in ("track", "stem_class", "conditioning"))
    return Trial(common, *columns, references, answers, cut_s, tuple(notes))


def _shared_length(clips: Sequence, cut_s: float | None) -> tuple[float, list[str]]:
    """Seconds to which all clips are cut, and a sentence if that takes something away."""
    lengths = {str(clip): audio.info(clip).duration_s for clip in clips}
    shortest, notes = min(lengths, key=lengths.get), []
    if cut_s is None:
        cut_s = lengths[shortest]
        if max(lengths.values()) - cut_s > 0.01:
            notes.append(f"All clips are cut to {cut_s:.2f} s, the length of the shortest, {shortest}.")
    if cut_s < audio.WINDOW_S - 0.01:
        raise ValueError(f"{shortest}: {lengths[shortest]:.2f} s; scores need {audio.WINDOW_S:g} s or more")
    return cut_s, notes


def score_answers(trial: Trial, metrics: dict[str, Scorer], hop_s: float = 2.5) -> pd.DataFrame:
    """Score every answer against its conditioning, in every mode of every metric.

    Args:
        trial: what is judged.
        metrics: name -> scorer, e.g. {"COCOLA": Scorer(), "control": Scorer("control")}.
        hop_s: from one window of 5 s to the next, seconds; a score is the mean over windows.
    Returns:
        Tidy: rater (the metric's name), mode ("P+H", "P", "H"), item, system, track, score, percentile (share of
        random pairs that score less, in %; NaN without a calibration). A score is NaN where no window has both sides
        sounding.
    """
    n, rows = len(trial.ids), []
    conditionings = [trial.read(clip) for clip in trial.conditionings]
    outputs = [trial.read(clip) for clips in trial.answers.values() for clip in clips]
    for name, metric in metrics.items():
        for mode, matrix in metric.matrices(conditionings, outputs, hop_s=hop_s).items():
            known = metric.calibration.modes.get(mode) if metric.calibration else None
            for s, system in enumerate(trial.answers):
                for i, score in enumerate(matrix[np.arange(n), s * n + np.arange(n)].astype(float)):
                    percentile = known.percentile(score) if known else np.nan
                    rows.append((name, MODE_LABELS[mode], i, system, trial.tracks[i], score, percentile))
    return pd.DataFrame(rows, columns=["rater", "mode", "item", "system", "track", "score", "percentile"])


def embed_mixes(trial: Trial, embedder) -> dict[str, list[np.ndarray]]:
    """Mixes of conditioning and answer through an embedder, for the sub-FAD: system -> n tables (rows, D)."""
    embedded = {}
    conditionings = [trial.read(clip, embedder.rate) for clip in trial.conditionings]
    for system, clips in trial.answers.items():
        pairs = zip(conditionings, clips, strict=True)
        embedded[system] = [embedder.embed(mix + trial.read(clip, embedder.rate)) for mix, clip in pairs]
    return embedded


def save_embeddings(path: Path | str, embedded: dict[str, list[np.ndarray]]) -> None:
    """Store what `embed_mixes` returned as one .npz of float32."""
    arrays = {f"{s}_{i}": x for s, clips in enumerate(embedded.values()) for i, x in enumerate(clips)}
    with whole(path) as temporary:
        np.savez_compressed(temporary, systems=np.array(json.dumps(list(embedded))), **arrays)


def load_embeddings(path: Path | str) -> dict[str, list[np.ndarray]]:
    """Read what `save_embeddings` wrote."""
    with np.load(path) as file:
        systems = json.loads(str(file["systems"]))
        n = (len(file.files) - 1) // len(systems)
        return {system: [file[f"{s}_{i}"] for i in range(n)] for s, system in enumerate(systems)}
