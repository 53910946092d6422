"""The README's table of results, made from `outputs/reference/results.json`: `python -m cocola_lib.reference`."""

import json

from cocola_lib import paper
from cocola_lib.runs import REPO

RESULTS = REPO / "outputs" / "reference" / "results.json"
README = REPO / "README.md"
START, END = "<!-- results: made by python -m cocola_lib.reference -->", "<!-- end of results -->"


def _find(rows: list[dict], **wanted) -> dict:
    return next(row for row in rows if all(row[name] == value for name, value in wanted.items()))


def _ours(rows: list[dict], model: str, k: int) -> str:
    found = {r["test_set"]: r["accuracy"] for r in rows if (r["model"], r["k"], r["mode"]) == (model, k, "P+H")}
    return " / ".join(f"{100 * found[mini]:.1f}" if mini in found else "-" for mini in paper.MINIATURE_OF.values())


def table(entries: dict) -> str:
    """The table in Markdown: paper's table or figure, notebook, command, our value, paper's value.

    Args:
        entries: content of `results.json` of a run on the miniatures.
    """
    names = [
        ("Eq. 3, loss after training", "02_training"),
        ("Table {}, K = {}, {}", "03_classification_tables"),
        ("Table III, {}, COCOLA Score P+H", "04_accompaniment_evaluation"),
        ("Fig. 3, Pearson r of score and MOS", "05_mos_analysis"),
    ]
    (training, accuracy, scores, ratings) = (entries[notebook]["results"] for _, notebook in names)
    (loss, by_k, by_system, mos) = names
    rows = [(*loss, f"{training['last_train_loss']:.2f} (chance: {training['log_k']:.2f})", "-")]
    theirs = paper.accuracy().query("model == 'HPS All'").set_index(["k", "test_set"])["accuracy"]
    for k in (2, 8, 16, 64):
        printed = " / ".join(f"{theirs[k, name]:.1f}" for name in paper.MINIATURE_OF)
        for model, paper_value in (("ours", printed), ("control", "-")):
            label = "the model" if model == "ours" else "control without learning"
            what = by_k[0].format("I" if k == 2 else "II", k, label)
            rows.append((what, by_k[1], _ours(accuracy["accuracy"], model, k), paper_value))
    paper_scores = paper.accompaniment().query("data == 'MoisesDB'").set_index("system")["P+H"]
    for system in ("Random", "Ground Truth"):
        row = _find(scores["summary"], rater="COCOLA", mode="P+H", system=system)
        ours = f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        rows.append((by_system[0].format(system), by_system[1], ours, f"MoisesDB: {paper_scores[system]}"))
    r = ratings["correlations"][0]
    ours = f"**simulated** ratings: {r['r']:.2f} [{r['low']:.2f}, {r['high']:.2f}]"
    rows.append((*mos, ours, f"41 listeners: {paper.MOS_PEARSON_R}"))
    lines = [
        "| paper | notebook | command | ours, on miniatures | the paper's, on real data |",
        "|---|---|---|---|---|",
    ]
    for what, notebook, ours, paper_value in rows:
        command = f"`cocola run --only {notebook[:2]}`"
        lines.append(f"| {what} | [{notebook}](notebooks/{notebook}.ipynb) | {command} | {ours} | {paper_value} |")
    origin = entries["03_classification_tables"]["provenance"]
    return "\n".join(lines) + (
        f"\n\nAccuracies in %, on the four test sets in the order {' / '.join(paper.MINIATURE_OF)} (ours: their "
        f'miniatures; "-": fewer than K pairs). More: [outputs/reference](outputs/reference). '
        "The paper's model is HPS All, ours `hps-all-time` after minutes of training: "
        f"command `{origin['command']}`, seed {origin['seed']}, checkpoint `{origin['checkpoint']}`, data "
        f"`{origin['data']['hash']}`."
    )


def fill(readme: str, entries: dict) -> str:
    """The README's text with the table between its two marks.

    Raises:
        ValueError: the marks are missing.
    """
    if START not in readme or END not in readme:
        raise ValueError(f"README.md: the marks {START} and {END} are missing")
    before, rest = readme.split(START, 1)
    return f"{before}{START}\n{table(entries)}\n{END}{rest.split(END, 1)[1]}"


if __name__ == "__main__":
    README.write_text(
        fill(README.read_text(encoding="utf-8"), json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8"
    )
