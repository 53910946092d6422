"""Folders of outputs in, Table III out: what `cocola accompany evaluate` does, step by step.

A folder becomes a frame (`systems`), the frame a trial (`measure`) to which the rows that are made here are added
(`baselines`); scores and embeddings of the trial are stored, and the table follows from those alone (`table3`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from cocola_lib.accompaniment import table3
from cocola_lib.accompaniment.baselines import BASELINES, with_baselines
from cocola_lib.accompaniment.fad_embedders import NAMES, Cached, Unavailable, open_embedder
from cocola_lib.accompaniment.measure import Trial, embed_mixes, save_embeddings, score_answers, trial_from_folders
from cocola_lib.accompaniment.systems import read_folders
from cocola_lib.files import write_csv, write_json
from cocola_lib.scoring import Scorer


@dataclass(frozen=True)
class Plan:
    """What is measured, and how; the options of `cocola accompany evaluate`, whose help explains them.

    `baselines`: some of `BASELINES`, which need references; `embedders`: some of `fad_embedders.NAMES`, whose weights
    are found as `open_embedder` says (`weights`: name -> path, `download`); `cut_s`, `hop_s`: seconds, see
    `trial_from_folders` and `score_answers`; `missing`: see `systems.read_folder`; `seed`: of intervals.

    Raises:
        ValueError: an unknown name.
    """

    baselines: Sequence[str] = BASELINES
    embedders: Sequence[str] = NAMES
    weights: Mapping[str, str] = field(default_factory=dict)
    download: bool = False
    cut_s: float | None = None
    hop_s: float = 2.5
    missing: str = "error"
    seed: int = 0

    def __post_init__(self):
        for names, known in ((self.baselines, BASELINES), (self.embedders, NAMES), (self.weights, NAMES)):
            if unknown := [name for name in names if name not in known]:
                raise ValueError(f"{unknown[0]!r}: choose from {', '.join(known)}, or none")


@dataclass(frozen=True)
class Evaluation:
    """`table`: tidy rows (`table3.COLUMNS`); `shown`: frames to print; `notes`: sentences about what stands out."""

    table: pd.DataFrame
    shown: list[pd.DataFrame]
    notes: list[str]


def evaluate_folders(
    folders: Sequence[Path | str],
    out: Path | str,
    scorer: Scorer,
    plan: Plan | None = None,
    progress: Callable = lambda steps, total: steps,
) -> Evaluation:
    """Score folders of outputs and write the table, the scores and the embeddings that it is made of.

    Args:
        folders: see `systems.read_folder`.
        out: folder; gets table.csv, table.json, ranks.csv, agreement.csv, scores.csv, embeddings/<name>.npz.
        scorer: of the metric "COCOLA" and of the embedder of that name; the control is always beside it.
        plan: None is the default one. progress: wraps the steps, such as tqdm.
    Raises:
        ValueError, FileNotFoundError: one line about a folder or a name.
    """
    plan, out, scores = plan or Plan(), Path(out), []
    trial = trial_from_folders(read_folders(folders, plan.missing), plan.cut_s)
    trial = with_baselines(trial, plan.baselines)

    def score(name: str, metric: Scorer) -> pd.DataFrame:
        scores.append(score_answers(trial, {name: metric}, plan.hop_s))
        return table3.summarise(scores[-1], plan.seed)

    steps = [partial(score, "COCOLA", scorer), partial(score, "control", Scorer("control"))]
    if table3.TRUTH in trial.answers:
        stored = out / "embeddings"
        steps += [partial(frechet_rows, trial, name, stored / f"{name}.npz", scorer, plan) for name in plan.embedders]
    table = pd.concat([step() for step in progress(steps, total=len(steps))], ignore_index=True)
    notes = list(trial.notes)
    if not scorer.calibration:
        notes.append(f"COCOLA, calibrated: {scorer.checkpoint} is not; cocola calibrate --help says how.")
    if plan.embedders and table3.TRUTH not in trial.answers:
        notes.append("FAD and APA need Ground Truth, that is a reference for every question.")
    return _write(out, table, pd.concat(scores, ignore_index=True), notes)


def frechet_rows(
    trial: Trial, name: str, stored: Path | str, scorer: Scorer | None = None, plan: Plan | None = None
) -> pd.DataFrame:
    """FAD and APA of one embedder: rows of the table. Empty, with the reason as note, where its weights are missing.

    Args:
        trial: with `Ground Truth`.
        name: of the embedder. scorer: of the embedder "COCOLA".
        stored: .npz that gets the embeddings.
        plan: where weights are found, and the seed; None is the default one.
    """
    plan = plan or Plan()
    try:
        embedder = open_embedder(name, plan.weights.get(name), scorer, plan.download)
    except Unavailable as reason:
        return table3.empty_rows(list(trial.answers), name, str(reason))
    embedded = embed_mixes(trial, embedder if name == "log-mel" else Cached(embedder))
    save_embeddings(stored, embedded)
    return table3.frechet_table(embedded, trial.tracks, name, plan.seed)


def _write(out: Path, table: pd.DataFrame, scores: pd.DataFrame, notes: list[str]) -> Evaluation:
    """Leave the table, its ranks and what they are made of; and say what to print."""
    ranks, agreement = table3.agreement(table)
    theirs = table3.paper_rows(list(dict.fromkeys(table["system"])))
    both = pd.concat([table, theirs], ignore_index=True)
    files = {"table": both, "ranks": ranks.reset_index(), "agreement": agreement, "scores": scores}
    for name, frame in files.items():
        write_csv(out / f"{name}.csv", frame)
    write_json(out / "table.json", both.to_dict("records"), indent=1)
    columns = [m for m in dict.fromkeys(table["metric"]) if not table3.is_extra(m, table3.INFINITY, table3.ABOVE)]
    shown = [table3.wide(table, columns[i : i + 4]).reset_index() for i in range(0, len(columns), 4)]
    return Evaluation(both, [*shown, table3.wide(theirs).reset_index()], [*notes, *table3.remarks(table, scores)])
