"""A listening test in the layout of the PHALAR study, small and invented: what `ratings.read_folder` reads."""

import json

import numpy as np

SYSTEMS = ("og", "sac", "stage", "moises")
METRICS = {"cocola": 0.8, "clap": 0.3, "visqol": 0.0}  # how much of a stimulus's quality each metric knows


def write(folder, n_listeners=9, n_songs=7, n_pages=8, seed=0):
    """Write `user_ratings/results_NN.json` and `results_<metric>.json`; return the folder.

    Every listener rates some pages only, so that stimuli have different numbers of ratings. The metrics also score a
    song that nobody heard.
    """
    rng = np.random.default_rng(seed)
    pages = [(kind, f"Song_{i}") for kind in ("bass", "drums") for i in range(n_songs)]
    quality = {(page, s): rng.normal() + (s == "og") for page in pages for s in SYSTEMS}
    (folder / "user_ratings").mkdir(parents=True)
    for listener in range(n_listeners):
        trials = []
        for number, k in enumerate(rng.choice(len(pages), n_pages, replace=False)):
            order = [SYSTEMS[i] for i in rng.permutation(len(SYSTEMS))]
            heard = {s: 3 + quality[pages[k], s] + 0.8 * rng.normal() for s in order}
            trials.append(
                {
                    "trial_index": number,
                    "folder": pages[k][1],
                    "type": pages[k][0],
                    "scores": {s: int(np.clip(round(x), 1, 5)) for s, x in heard.items()},
                    "model_order": order,
                }
            )
        (folder / "user_ratings" / f"results_{listener:02d}.json").write_text(json.dumps(trials), encoding="utf-8")
    for metric, knows in METRICS.items():
        scores = {kind: [] for kind, _ in pages}
        for kind, song in [*pages, ("bass", "Nobody_heard_this")]:
            row = {"song": song}
            for s in SYSTEMS:
                row["gt" if s == "og" else s] = knows * quality.get(((kind, song), s), 0.0) + rng.normal()
            scores[kind].append(row)
        (folder / f"results_{metric}.json").write_text(json.dumps(scores), encoding="utf-8")
    return folder
