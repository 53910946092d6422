"""Players, sentences and small measurements of notebook 02: what a batch holds, what was learnt, what goes wrong."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from cocola_lib.data.audio import match_levels
from cocola_lib.notebook.players import Players
from cocola_lib.notebook.sentences import counted, percent
from cocola_lib.notebook.shown import Text
from cocola_lib.sampling import PairSpec, WindowSampler, specs_to_frame
from cocola_lib.training.fitting import LEAST_FOR_GROUPS


def the_plan(recipe: str, settings, splits: dict, smaller: str = "") -> Text:
    """What is trained on what, and for how long: a recipe's name, `TrainSettings`, and split -> tracks.

    Args:
        smaller: what the tracks have made smaller, see `training.fitting`.
    """
    heard = ", ".join(sorted({track.dataset for track in splits["train"]}))
    n_heard, n_watched = (counted(len(splits[name]), "track") for name in ("train", "valid"))
    return Text(
        f"We train **{recipe}** with K = {settings.k} for {settings.n_steps} steps on {n_heard} of {heard}, and watch "
        f"{n_watched} that it never trains on. MUSDB18-HQ is held out altogether, as in the paper. {smaller}"
    )


def sides(sampler: WindowSampler, specs: Sequence[PairSpec]) -> tuple[torch.Tensor, torch.Tensor]:
    """Anchors and positives of some windows as waveforms, (n, N) each."""
    anchors, positives = zip(*(sampler.audio(spec) for spec in specs), strict=True)
    return torch.from_numpy(np.stack(anchors)), torch.from_numpy(np.stack(positives))


def hear_task(anchors: np.ndarray, positives: np.ndarray, specs: Sequence[PairSpec]) -> Players:
    """The first anchor of a batch with its own positive and with those of two other windows; (K, N) each."""
    anchor, *candidates = match_levels([anchors[0], *positives[:3]])
    labels = [f"anchor 1 with positive {i + 1}" for i in range(len(candidates))]
    notes = dict.fromkeys(labels, "from another window") | {labels[0]: "its own"}
    mixes = [anchor + positive for positive in candidates]
    clips = {"anchor 1": anchor} | dict(zip(labels, mixes, strict=True))
    title = f"{' + '.join(specs[0].anchor)}, and three candidates of K = {len(specs)}"
    return Players(clips, notes, title=title)


def batch_table(specs: Sequence[PairSpec], modes: Sequence[str]) -> pd.DataFrame:
    """The windows of a batch and their masks, a row per window."""
    return specs_to_frame(specs).assign(mask=modes)


def the_batch(table: pd.DataFrame, max_overlap: float) -> Text:
    """How many windows and songs a batch holds (`batch_table`), and how many windows share their song."""
    shared = table["track_id"].duplicated(keep=False).mean()
    return Text(
        f"The whole batch: {len(table)} windows of {counted(table['track_id'].nunique(), 'song')}, listed in "
        f"`tables/02_batch.csv`. {shared:.0%} of the windows share their song with another window of the batch; two "
        f"such windows overlap by at most r = {max_overlap:.0%}."
    )


def how_it_starts(ours: float, librarys: float, n_candidates: int) -> Text:
    """Eq. 3 by hand beside the library's, before anything was learnt, and the chance line."""
    return Text(
        f"By hand the loss is {ours:.6f}, and the library's is {librarys:.6f}; they differ by "
        f"{abs(ours - librarys):.0e}. A model that gives every candidate the same similarity has a loss of "
        f"log {n_candidates} = {np.log(n_candidates):.2f}."
    )


def what_the_loop_did(curve: pd.DataFrame, n_candidates: int, found: pd.DataFrame) -> Text:
    """What a loop learnt: the first and the last quarter of its curve, and its answers on new songs.

    Args:
        curve: step, loss, accuracy.
        n_candidates: that an anchor meets in training.
        found: `accuracy_table` of songs that it never heard, one row.
    """
    few, new = max(1, len(curve) // 4), found.iloc[0]
    first, last = curve.head(few).mean(), curve.tail(few).mean()
    return Text(
        f"From the first quarter of the steps to the last, the mean loss goes from {first['loss']:.2f} to "
        f"{last['loss']:.2f} (chance: {np.log(n_candidates):.2f}), the mean accuracy from {first['accuracy']:.0%} to "
        f"{last['accuracy']:.0%} (chance: {1 / n_candidates:.1%}). On songs that it has never heard, it finds the "
        f"partner among {new['k']:.0f} in {percent(new['accuracy'], new['low'], new['high'])} of cases (chance: "
        f"{new['chance']:.1%}). A few batches that are heard again and again can be learnt by heart; new songs cannot."
    )


def what_the_mask_gave_away(curve: pd.DataFrame, k: int, found: pd.DataFrame) -> str:
    """The shortcut in a sentence.

    Args:
        curve: of a run with a mask per pair: step, loss, accuracy.
        k: K of that run.
        found: accuracy on new songs: masks, k, accuracy, low, high, chance; first with a mask per pair, then without.
    """
    late = curve.tail(max(1, len(curve) // 4))["accuracy"].mean()
    masked, open_ears = found.iloc[0], found.iloc[1]
    among = int(masked["k"])
    with_masks, without = (percent(row["accuracy"], row["low"], row["high"]) for row in (masked, open_ears))
    said = (
        f"With a mask per pair, this model ends with {late:.1%} correct on its training batches (chance {1 / k:.1%}, "
        f"the mask alone {3 / k:.1%}). On songs that it has never heard, it finds the partner among {among} in "
        f"{with_masks} of cases as long as the masks are there, and in {without} without them (chance "
        f"{1 / among:.1%}, the mask alone {3 / among:.1%})"
    )
    if masked["low"] > open_ears["high"]:
        return said + ". It has learnt to recognise the mask, not the music."
    return said + ". In a run as short as this one, the two intervals overlap."


def no_shortcut(k: int) -> str:
    """Why the shortcut is not shown with few windows."""
    return (
        f"What a mask gives away was left out: with K = {k}, too few windows carry each mask (it takes K = "
        f"{LEAST_FOR_GROUPS})."
    )


def how_the_run_went(history: pd.DataFrame) -> str:
    """Loss and best validation of a run (`training.history`) in two sentences."""
    best, first = _best(history), history[history["split"] == "train"]["loss"].iloc[0]
    return (
        f"The training loss went from {first:.2f} to {numbers(history)['last_train_loss']:.2f} (mean of the last ten "
        f"steps; chance: {np.log(best['k']):.2f}). On songs that it never trained on, it finds the partner among "
        f"{best['k']:.0f} in **{percent(best['accuracy'], best['low'], best['high'])}** of cases (in brackets the 95 % "
        f"interval over tracks; chance {1 / best['k']:.1%})."
    )


def numbers(history: pd.DataFrame) -> dict:
    """What a run's log is kept by: best_step; last_train_loss, the mean of ten steps, and log_k, chance, in nats."""
    best, late = _best(history), history[history["split"] == "train"]["loss"].tail(10)
    return {"best_step": int(best["step"]), "last_train_loss": float(late.mean()), "log_k": float(np.log(best["k"]))}


def headline(recipe: str, history: pd.DataFrame) -> str:
    """A run in a line: its last loss, and how often the best validation found the partner."""
    best, kept = _best(history), numbers(history)
    return (
        f"{recipe}: loss {kept['last_train_loss']:.2f} (chance {kept['log_k']:.2f}); finds the partner among "
        f"{best['k']:.0f} in {percent(best['accuracy'], best['low'], best['high'])} of unseen pairs after "
        f"{history['step'].max():.0f} steps"
    )


def _best(history: pd.DataFrame) -> pd.Series:
    valid = history[history["split"] == "valid"]
    return valid.loc[valid["accuracy"].idxmax()]


def hear_mistake(
    i: int,
    pairs: tuple[torch.Tensor, torch.Tensor],
    specs: Sequence[PairSpec],
    similarities: np.ndarray,
    called: dict[str, str],
) -> Players:
    """Anchor i with its true partner, and with the rival that the model likes best.

    Args:
        pairs: as `sides` gives them. called: track id -> title.
    """
    rival = int(_rivals(similarities)[i].argmax())
    own, other_song = (called[specs[k].track_id] for k in (i, rival))
    anchors, positives = (side.numpy() for side in pairs)
    anchor, true, other = match_levels([anchors[i], positives[i], positives[rival]])
    return Players(
        {"anchor": anchor, "with its true partner": anchor + true, "with the strongest rival": anchor + other},
        {
            "anchor": " + ".join(specs[i].anchor),
            "with its true partner": f"similarity {similarities[i, i]:.2f}",
            "with the strongest rival": f"similarity {similarities[i, rival]:.2f}, from {other_song}",
        },
        title=f"{own}, {specs[i].start_s} s",
        small=True,
    )


def worst_first(similarities: np.ndarray) -> np.ndarray:
    """Anchors by how far their best rival is ahead of their true partner, the worst first: (n, n) -> (n,)."""
    return np.argsort(np.diag(similarities) - _rivals(similarities).max(axis=1))


def what_goes_wrong(similarities: np.ndarray, specs: Sequence[PairSpec]) -> Text:
    """How many anchors prefer a rival, and whether that rival is from their own song."""
    rivals, songs = _rivals(similarities), np.array([spec.track_id for spec in specs])
    wrong = np.diag(similarities) <= rivals.max(axis=1)
    said = f"{wrong.sum()} of {len(wrong)} anchors prefer another candidate to their true partner."
    if wrong.any():
        at_home, by_luck = _at_home(rivals.argmax(axis=1)[wrong], np.flatnonzero(wrong), songs)
        said += f" Of the rivals that win, {at_home:.0%} are from the anchor's own song (by luck: {by_luck:.0%})."
    return Text(said)


def single_stems(
    sampler: WindowSampler, specs: Sequence[PairSpec], n_windows: int = 12, n_stems: int = 4
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Stems alone, of a window of each song or of all of the only song: (window of each (n,), names, clips (n, N))."""
    rows, by_song = [], {spec.track_id: spec for spec in specs}
    for window, spec in enumerate(list(by_song.values() if len(by_song) > 1 else specs)[:n_windows]):
        track = sampler.by_id[spec.track_id]
        for name in (spec.anchor + spec.positive)[:n_stems]:
            rows.append((window, name, track.read((name,), spec.start_s, sampler.window_s)))
    windows, names, clips = zip(*rows, strict=True)
    return np.array(windows), list(names), np.stack(clips)


def map_of(h: np.ndarray, seed: int) -> np.ndarray:
    """Embeddings in two dimensions, by t-SNE: (n, D) -> (n, 2)."""
    from sklearn.manifold import TSNE

    return TSNE(perplexity=min(8, len(h) - 1), init="pca", random_state=seed).fit_transform(h)


def nearest_at_home(similarities: np.ndarray, windows: np.ndarray) -> tuple[float, float]:
    """The share of stems whose most similar stem is of their own window, and what luck would give: (n, n), (n,)."""
    return _at_home(_rivals(similarities).argmax(axis=1), np.arange(len(windows)), windows)


def when_it_left_chance(history: pd.DataFrame) -> str:
    """The step at which the training accuracy, averaged over ten steps, has doubled chance."""
    k = history[history["split"] == "valid"]["k"].iloc[0]
    smooth = history[history["split"] == "train"].set_index("step")["accuracy"].rolling(10).mean()
    above = smooth.index[smooth > 2 / k]
    done = f"exceeds twice chance from step {above[0]} on" if len(above) else "does not exceed twice chance"
    return f"Averaged over ten steps, the training accuracy {done}."


def _rivals(similarities: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(similarities), dtype=bool), -np.inf, similarities)


def _at_home(found: np.ndarray, askers: np.ndarray, places: np.ndarray) -> tuple[float, float]:
    """How often what was found is of the asker's own place, and how often it would be by luck."""
    by_luck = np.mean([(np.sum(places == place) - 1) / (len(places) - 1) for place in places[askers]])
    return float(np.mean(places[found] == places[askers])), float(by_luck)
