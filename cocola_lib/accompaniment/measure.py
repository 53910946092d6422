"""Questions, everybody's answers, and what is measured of them: the second step to Table III, after `systems`.

A `Trial` holds the questions and the answers; `score_answers` and `embed_mixes` measure them once, and what they
return is stored. `table3` makes the table of that alone. Notebook 04 and `cocola accompany evaluate` do the same.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib.accompaniment.loudness import to_level
from cocola_lib.accompaniment.systems import Question, read_question
from cocola_lib.data import audio
from cocola_lib.data.stems import Track
from cocola_lib.features import MODE_LABELS
from cocola_lib.files import whole
from cocola_lib.scoring import Scorer

SCORES = ["rater", "mode", "item", "system", "track", "stem_class", "score", "percentile"]
TOLERANCE_S = 0.1  # s that an answer may lack: codecs leave out a part of a frame


@dataclass(frozen=True)
class Trial:
    """n questions and the answers of every system.

    `ids`, `tracks`, `classes`: n each; `conditionings`: n clips; `references`: n true answers, None where one is
    missing; `answers`: system -> n clips, in the table's order. A clip is a path, or (N,) float32 at 16 kHz. `cut_s`:
    everything is cut to its first so many seconds. `notes`: sentences about what was cut, left out or made here.
    `level_lufs`, `peak`: clips are brought to this level as they are read; None leaves them. `lowest_hz`: the lowest
    sample rate among the files; no side is heard above half of it.
    """

    ids: list[str]
    tracks: list[str]
    classes: list[str]
    conditionings: list
    references: list
    answers: dict[str, list]
    cut_s: float
    notes: tuple[str, ...] = ()
    level_lufs: float | None = None
    peak: float = audio.PEAK
    lowest_hz: int | None = None

    def read(self, clip, rate: int = audio.SAMPLE_RATE) -> np.ndarray:
        """A clip at a rate, cut to `cut_s` (zeros after its end): (N,) float32."""
        if isinstance(clip, np.ndarray):
            x = audio.resample(clip, audio.SAMPLE_RATE, rate)
        else:
            via = min(rate, self.lowest_hz or rate)  # what one side cannot have, no side has
            x = audio.resample(audio.read(clip, via, duration_s=self.cut_s), via, rate)
        n = round(self.cut_s * rate)
        x = np.pad(x[:n], (0, max(0, n - len(x))))
        return x if self.level_lufs is None else to_level(x, rate, self.level_lufs, self.peak)


def trial_from_questions(questions: Sequence[Question], tracks: Sequence[Track], chunk_s: float) -> Trial:
    """Questions that were drawn here as a trial that nobody has answered yet."""
    by_id = {track.id: track for track in tracks}
    heard, true = zip(*(read_question(q, by_id, chunk_s) for q in questions), strict=True)
    ids, names, classes = zip(*((q.id, q.track_id, q.stem_class) for q in questions), strict=True)
    return Trial(list(ids), list(names), list(classes), list(heard), list(true), {}, chunk_s)


def trials_from_folders(frame: pd.DataFrame, cut_s: float | None = None, exact: bool = False) -> list[Trial]:
    """What `systems.read_folders` returned as trials: systems that answer the same questions share one.

    Args: as `trial_from_folders`.
    """
    sets: list[tuple[set, list]] = []  # questions, and the systems that answer some of them
    for system, ids in frame.groupby("system", sort=False)["id"].agg(set).items():
        joined = [known for known in sets if known[0] & ids]
        sets = [known for known in sets if known not in joined]
        sets.append((ids.union(*(q for q, _ in joined)), [s for _, systems in joined for s in systems] + [system]))
    return [trial_from_folders(frame[frame["system"].isin(systems)], cut_s, exact) for _, systems in sets]


def trial_from_folders(frame: pd.DataFrame, cut_s: float | None = None, exact: bool = False) -> Trial:
    """What `systems.read_folders` returned as a trial: the questions that every system answers.

    Args:
        frame: its rows.
        cut_s: seconds to cut everything to; None is the shortest clip, as in the paper.
        exact: a clip that is shorter than `cut_s` is refused: zeros after its end would be scored with it.
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
    lacking = [i for i, reference in zip(common, references, strict=True) if reference is None]
    if 0 < len(lacking) <= len(common) / 2:  # where more lack one, all count, and none is compared with the truth
        kept = [i for i in common if i not in lacking]
        left = trial_from_folders(frame[frame["id"].isin(kept)], cut_s, exact)
        note = f"{len(lacking)} of {len(common)} questions are left out, as they have no reference; the first is"
        return replace(left, notes=(*left.notes, f"{note} {lacking[0]}."))
    clips = [*first["conditioning"], *filter(None, references), *sum(answers.values(), [])]
    headers = {str(clip): audio.info(clip) for clip in clips}
    cut_s, notes = _shared_length(headers, cut_s, exact)
    lowest, more = _shared_band(headers)
    if (n := frame["id"].nunique()) > len(common):
        notes.append(f"{len(common)} of {n} questions are answered by every system; only these count.")
    if lacking:
        notes.append(
            f"{len(lacking)} of {len(common)} questions have no reference: no Ground Truth, Random, FAD or APA."
        )
    columns = (list(first[name]) for name in ("track", "stem_class", "conditioning"))
    return Trial(common, *columns, references, answers, cut_s, (*notes, *more), lowest_hz=lowest)


def _shared_length(headers: dict, cut_s: float | None, exact: bool) -> tuple[float, list[str]]:
    """Seconds to which all clips are cut, and a sentence if that takes something away."""
    lengths = {clip: header.duration_s for clip, header in headers.items()}
    shortest, notes = min(lengths, key=lengths.get), []
    if cut_s is not None and not audio.WINDOW_S - 0.01 <= cut_s < np.inf:
        raise ValueError(f"cut_s is {cut_s:g} s; scores need {audio.WINDOW_S:g} s or more, up to the clips' length")
    if exact and cut_s is not None and lengths[shortest] < cut_s - TOLERANCE_S:
        raise ValueError(
            f"{shortest}: {lengths[shortest]:.2f} s; the protocol judges {cut_s:g} s: answer the whole "
            "conditioning, or give --cut-s"
        )
    if cut_s is None:
        cut_s = lengths[shortest]
        if max(lengths.values()) - cut_s > 0.01:
            notes.append(f"All clips are cut to {cut_s:.2f} s, the length of the shortest, {shortest}.")
    elif short := sum(length < cut_s - TOLERANCE_S for length in lengths.values()):
        notes.append(f"{short} of {len(lengths)} clips end before {cut_s:g} s, such as {shortest}: silence follows.")
    if cut_s < audio.WINDOW_S - 0.01:
        raise ValueError(f"{shortest}: {lengths[shortest]:.2f} s; scores need {audio.WINDOW_S:g} s or more")
    return cut_s, notes


def _shared_band(headers: dict) -> tuple[int, list[str]]:
    """The lowest sample rate, to which all sides are held, and a sentence if rates differ where a column hears it."""
    rates = {clip: header.sample_rate for clip, header in headers.items()}
    low, high = (pick(rates, key=rates.get) for pick in (min, max))
    if rates[low] == rates[high]:
        return rates[low], []
    said = f"Sample rates differ: {low} has {rates[low]:,} Hz, {high} {rates[high]:,} Hz."
    return rates[low], [f"{said} All sides are low-passed at {rates[low] / 2000:g} kHz where an embedding hears more."]


def score_answers(trial: Trial, metrics: dict[str, Scorer], hop_s: float = 2.5, pad_last: bool = False) -> pd.DataFrame:
    """Score every answer against its conditioning, in every mode of every metric.

    Args:
        trial: what is judged.
        metrics: name -> scorer, e.g. {"COCOLA": Scorer(), "control": Scorer("control")}.
        hop_s: from one window of 5 s to the next, seconds; a score is the mean over windows.
        pad_last: what is left after the last whole window is scored too, with zeros after it.
    Returns:
        Tidy (`SCORES`): rater (the metric's name), mode ("P+H", "P", "H"), item, system, track, stem_class, score,
        percentile (share of random pairs that score less, in %; NaN without a calibration). A score is NaN where no
        window has both sides sounding.
    """
    n, rows = len(trial.ids), []
    after = -(trial.cut_s - audio.WINDOW_S) % hop_s if pad_last else 0.0  # s of zeros
    zeros = (0, round(after * audio.SAMPLE_RATE))
    conditionings = [np.pad(trial.read(clip), zeros) for clip in trial.conditionings]
    outputs = [np.pad(trial.read(clip), zeros) for clips in trial.answers.values() for clip in clips]
    for name, metric in metrics.items():
        for mode, matrix in metric.matrices(conditionings, outputs, hop_s=hop_s).items():
            known = metric.calibration.modes.get(mode) if metric.calibration else None
            for s, system in enumerate(trial.answers):
                for i, score in enumerate(matrix[np.arange(n), s * n + np.arange(n)].astype(float)):
                    percentile = known.percentile(score) if known else np.nan
                    where = (i, system, trial.tracks[i], trial.classes[i])
                    rows.append((name, MODE_LABELS[mode], *where, score, percentile))
    return pd.DataFrame(rows, columns=SCORES)


def embed_answers(trial: Trial, embedder) -> dict[str, list[np.ndarray]]:
    """Answers alone through an embedder, for the FAD of stems: system -> n tables (rows, D)."""
    return {s: [embedder.embed(trial.read(x, embedder.rate)) for x in clips] for s, clips in trial.answers.items()}


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
