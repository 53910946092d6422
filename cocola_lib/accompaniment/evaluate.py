"""Folders of outputs in, Table III out: what `cocola accompany evaluate` does, step by step.

A folder becomes a frame (`systems`), the frame a trial (`measure`) to which the rows that are made here are added
(`baselines`); scores and embeddings of the trial are stored, and the table follows from those alone (`table3`,
`comparisons`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pandas as pd

from cocola_lib.accompaniment import comparisons, items, musical, table3
from cocola_lib.accompaniment.baselines import BASELINES, with_baselines
from cocola_lib.accompaniment.beats import TRACKERS, open_tracker
from cocola_lib.accompaniment.distance_rows import distance_rows
from cocola_lib.accompaniment.fad_embedders import NAMES, Unavailable
from cocola_lib.accompaniment.measure import Trial, score_answers, trial_from_folders, trials_from_folders
from cocola_lib.accompaniment.methods import paragraph, published_rows
from cocola_lib.accompaniment.protocols import EMBEDDERS, PROTOCOLS, Protocol, get_protocol
from cocola_lib.accompaniment.systems import read_folders
from cocola_lib.data.pair_files import check_result
from cocola_lib.files import csv_of, write_json, write_text
from cocola_lib.scoring import Scorer

FILES = tuple(f"{name}.csv" for name in ("ranks", "agreement", "scores", "checks", "by_class", "paired"))
BEAT_WEIGHTS = "beat-this"  # the name of the tracker's weights among those of embedders


@dataclass(frozen=True)
class Plan:
    """What is measured, and how; the options of `cocola accompany evaluate`, whose help explains them.

    `baselines`: some of `BASELINES`, which need references; `embedders`: some of `fad_embedders.NAMES`, whose weights
    are found as `open_embedder` says (`weights`: name -> path, `download`); `cut_s`, `hop_s`: seconds, see
    `trial_from_folders` and `score_answers`; `missing`: see `systems.read_folder`; `seed`: of intervals and Random;
    `tracker`: of `beats.TRACKERS`; `against`: the system that the others are compared with; `beside`: more checkpoints,
    each a column named after its file or folder. `protocol`: what is left, its levels, padding, Random.

    Raises:
        ValueError: an unknown name.
    """

    baselines: Sequence[str] = BASELINES
    embedders: Sequence[str] = EMBEDDERS
    weights: Mapping[str, str] = field(default_factory=dict)
    download: bool = False
    cut_s: float | None = None
    hop_s: float = 2.5
    missing: str = "error"
    seed: int = 0
    tracker: str = "auto"
    against: str | None = None
    beside: Sequence[str | Path] = ()
    protocol: Protocol = PROTOCOLS["ours"]

    def __post_init__(self):
        choices = (self.baselines, BASELINES), (self.embedders, NAMES), (self.weights, (*NAMES, BEAT_WEIGHTS))
        for names, known in (*choices, ((self.tracker,), TRACKERS)):
            if unknown := [name for name in names if name not in known]:
                raise ValueError(f"{unknown[0]!r}: choose from {', '.join(known)}, or none")
        names = ["COCOLA", "control", *(Path(checkpoint).stem for checkpoint in self.beside)]
        if twice := [name for i, name in enumerate(names) if name in names[:i]]:
            raise ValueError(f"{twice[0]}: two columns of this name; rename a checkpoint")

    @classmethod
    def of(cls, protocol: str, **given) -> "Plan":
        """The plan of a protocol by name; what is given, and is not None, goes before its constants."""
        known = get_protocol(protocol)
        stated = {name: getattr(known, name) for name in ("embedders", "cut_s", "hop_s", "seed")}
        return cls(protocol=known, **stated | {name: value for name, value in given.items() if value is not None})

    @property
    def exact(self) -> bool:
        """Whether answers have to reach the protocol's length."""
        return self.cut_s is not None and self.cut_s == self.protocol.cut_s


@dataclass(frozen=True)
class Evaluation:
    """`table`: tidy rows (`table3.COLUMNS`); `shown`: frames to print; `notes`: sentences about what stands out;
    `methods`: a paragraph for a paper."""

    table: pd.DataFrame
    shown: list[pd.DataFrame]
    notes: list[str]
    methods: str


def evaluate_folders(
    folders: Sequence[Path | str],
    out: Path | str,
    scorer: Scorer,
    plan: Plan | None = None,
    progress: Callable = lambda steps, total: steps,
) -> Evaluation:
    """Score folders of outputs and write the table, the scores and the embeddings that it is made of.

    Args:
        folders: see `systems.read_folder`. Systems of one folder that share no question, such as a collection of demo
            pages, are judged apart, each set in a folder of its own, and `table` has a column `questions`.
        out: folder; gets table.csv, table.json, ranks.csv, agreement.csv, scores.csv, checks.csv, by_class.csv,
            methods.txt, paired.csv (with `against`), embeddings/<name>.npz. Only table.json has all digits.
        scorer: of the metric "COCOLA" and of the embedder of that name; the control is always beside it.
        plan: None is the default one. progress: wraps the steps, such as tqdm.
    Raises:
        ValueError, FileNotFoundError: one line about a folder or a name.
    """
    plan, out = plan or Plan(), Path(out)
    _check_place(out)
    frame = read_folders(folders, plan.missing)
    split = trials_from_folders if len(folders) == 1 else lambda *given: [trial_from_folders(*given)]
    trials = split(frame, plan.cut_s, plan.exact)
    if len(trials) == 1:
        return evaluate_trial(trials[0], out, scorer, plan, progress)
    parts = {f"{i + 1:02d} {next(iter(trial.answers))}": trial for i, trial in enumerate(trials)}
    found = {name: evaluate_trial(trial, out / name, scorer, plan, progress) for name, trial in parts.items()}
    table = pd.concat([part.table.assign(questions=name) for name, part in found.items()], ignore_index=True)
    write_text(out / "table.csv", csv_of(table))
    return Evaluation(
        table,
        [frame for part in found.values() for frame in part.shown],
        [f"{name}: {note}" for name, part in found.items() for note in part.notes],
        "\n\n".join(part.methods for part in found.values()),
    )


def _check_place(out: Path) -> None:
    """Refuse a folder that cannot be written, or in which something else has the name of a result."""
    check_result(out / "table.csv", ("system", "metric", "value"))
    if not (out / "table.csv").exists():
        for name in (*FILES, "methods.txt", "table.json"):
            if (out / name).exists():
                raise ValueError(f"{out / name}: exists and is no result of this command; choose another folder")


def evaluate_trial(trial: Trial, out: Path, scorer: Scorer, plan: Plan, progress: Callable) -> Evaluation:
    """The same for one trial, see `evaluate_folders`."""
    known = plan.protocol
    trial = replace(with_baselines(trial, plan.baselines, known.random, plan.seed), level_lufs=known.level_lufs)
    checks, scores = items.check_items(trial), []

    def score(measure: Callable) -> pd.DataFrame:
        scores.append(measure())
        return items.note_flagged(table3.summarise(scores[-1], plan.seed), scores[-1], checks)

    def ours(name: str, metric: Scorer) -> pd.DataFrame:
        return score(partial(score_answers, trial, {name: metric}, plan.hop_s, known.pad_last))

    others = {Path(checkpoint).stem: Scorer(checkpoint, str(scorer.device)) for checkpoint in plan.beside}
    metrics = {"COCOLA": scorer, "control": Scorer("control")} | others
    steps = [partial(ours, name, metric) for name, metric in metrics.items()]
    steps.append(partial(_musical, trial, plan, score))
    if table3.TRUTH in trial.answers:
        folder = out / "embeddings"
        steps += [partial(frechet_rows, trial, name, folder / f"{name}.npz", scorer, plan) for name in plan.embedders]
    table = pd.concat([step() for step in progress(steps, total=len(steps))], ignore_index=True)
    scores = pd.concat(scores, ignore_index=True)
    table = pd.concat([table, comparisons.common_scale(scores, plan.seed)], ignore_index=True)
    beside = [f"{name}: the checkpoint {metric.hash}." for name, metric in others.items()]
    untracked = [f"{note}." for note in table["note"] if note.startswith(f"{musical.BEATS}:")][:1]
    notes = [*trial.notes, *beside, *(untracked or musical.failures(scores)), *items.remarks(checks)]
    if not scorer.calibration:
        notes.append(f"COCOLA, calibrated: {scorer.checkpoint} is not; cocola calibrate --help says how.")
    if plan.embedders and table3.TRUTH not in trial.answers:
        notes.append("FAD and APA need Ground Truth, that is a reference for every question.")
    notes += table3.remarks(table, scores)
    methods = paragraph(trial, plan.protocol, scorer, table, checks, notes)
    return _write(out, plan, table, scores, checks, notes, methods)


def _musical(trial: Trial, plan: Plan, score: Callable) -> pd.DataFrame:
    """The columns of beats, keys and chords; without the tracker that is asked for, beats are empty and say why."""
    try:
        tracker = open_tracker(plan.tracker, plan.weights.get(BEAT_WEIGHTS), plan.download)
    except Unavailable as reason:
        tracker, why = ("beat-this", lambda x, rate: []), str(reason)
        table = score(partial(musical.musical_scores, trial, tracker))
        return table.assign(note=table["note"].mask(table["metric"].str.startswith(musical.BEATS), why))
    return score(partial(musical.musical_scores, trial, tracker))


def frechet_rows(
    trial: Trial, name: str, stored: Path | str, scorer: Scorer | None = None, plan: Plan | None = None
) -> pd.DataFrame:
    """Every distance of one embedder, see `distance_rows`; empty, with the reason as note, without its weights.

    Args:
        trial: with `Ground Truth`.
        name: of the embedder. scorer: of the embedder "COCOLA".
        stored: .npz that gets the embeddings of mixes; those of stems lie beside it.
        plan: where weights are found, and the seed; None is the default one.
    """
    plan = plan or Plan()
    return distance_rows(trial, name, Path(stored), scorer, plan.weights.get(name), plan.download, plan.seed)


def _write(out, plan, table, scores, checks, notes, methods) -> Evaluation:
    """Leave the table, its ranks and what they are made of; and say what to print."""
    ranks, agreement = table3.agreement(table)
    theirs = published_rows(plan.protocol)
    if theirs.empty:
        theirs = table3.paper_rows(list(dict.fromkeys(table["system"])))
    both = pd.concat([table, theirs], ignore_index=True)
    files = {"table": both, "ranks": ranks.reset_index(), "agreement": agreement, "scores": scores, "checks": checks}
    files["by_class"] = comparisons.by_class(scores, plan.seed)
    shown = [items.count(checks).round(2)]
    if plan.against:
        files["paired"] = comparisons.paired(scores, plan.against, plan.seed)
        shown.append(files["paired"].round(4))
    for name, frame in files.items():
        write_text(out / f"{name}.csv", csv_of(frame))
    write_json(out / "table.json", both.to_dict("records"), indent=1)
    write_text(out / "methods.txt", methods + "\n")
    columns = [m for m in dict.fromkeys(table["metric"]) if not table3.is_extra(m, table3.INFINITY, table3.ABOVE)]
    shown += [table3.wide(table, columns[i : i + 4]).reset_index() for i in range(0, len(columns), 4)]
    return Evaluation(both, [*shown, table3.wide(theirs).reset_index()], notes, methods)
