"""The README's table of results, made from `outputs/reference/results.json`: `python -m cocola_lib.reference`."""

import json

from cocola_lib import paper
from cocola_lib.runs import REPO

RESULTS = REPO / "outputs" / "reference" / "results.json"
README = REPO / "README.md"
START, END = "<!-- results: made by python -m cocola_lib.reference -->", "<!-- end of results -->"


def _find(rows: list[dict], **wanted) -> dict:
    return next(row for row in rows if all(row[name] == value for name, value in wanted.items()))


def _accuracy(rows: list[dict], model: str, k: int) -> str:
    row = _find(rows, model=model, k=k, mode="P+H")
    return f"{100 * row['accuracy']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def table(entries: dict) -> str:
    """The table in Markdown: paper's table or figure, notebook, command, our value, paper's value.

    Args:
        entries: content of `results.json` of a run on the miniatures.
    """
    accuracy = entries["03_classification_tables"]["results"]["accuracy"]
    data = accuracy[0]["test_set"]
    theirs = paper.accuracy().query("model == 'HPS All' and test_set == 'CocoChorales'").set_index("k")["accuracy"]
    lines = [
        "| paper | notebook | command | ours, on miniature data | the paper's, on real data |",
        "|---|---|---|---|---|",
    ]

    def add(what: str, notebook: str, ours: str, paper_value: str) -> None:
        command = f"`cocola run --only {notebook[:2]}`"
        lines.append(f"| {what} | [{notebook}](notebooks/{notebook}.ipynb) | {command} | {ours} | {paper_value} |")

    training = entries["02_training"]["results"]
    add(
        "Eq. 3, training",
        "02_training",
        f"loss {training['last_train_loss']:.2f}, chance {training['log_k']:.2f}",
        "-",
    )
    for k in (2, 8, 16, 64):
        name = "Table I" if k == 2 else "Table II"
        ours = f"{_accuracy(accuracy, 'ours', k)} (control {_accuracy(accuracy, 'control', k)})"
        add(f"{name}, K = {k}, accuracy in %", "03_classification_tables", f"{data}: {ours}", f"CocoChorales: {theirs[k]}")
    scores = entries["04_accompaniment_evaluation"]["results"]["summary"]
    paper_scores = paper.accompaniment().query("data == 'MoisesDB'").set_index("system")["P+H"]
    for system in ("Random", "Ground Truth"):
        row = _find(scores, rater="COCOLA", mode="P+H", system=system)
        ours = f"{data}: {row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        add(
            f"Table III, {system}, COCOLA Score P+H (scales differ between models)",
            "04_accompaniment_evaluation",
            ours,
            f"MoisesDB: {paper_scores[system]}",
        )
    r = entries["05_mos_analysis"]["results"]["correlations"][0]
    add(
        "Fig. 3, Pearson r of score and MOS",
        "05_mos_analysis",
        f"**simulated** ratings: {r['r']:.2f} [{r['low']:.2f}, {r['high']:.2f}]",
        f"41 listeners: {paper.MOS_PEARSON_R}",
    )
    origin = entries["03_classification_tables"]["provenance"]
    lines.append(
        f"\nCommand `{origin['command']}`, seed {origin['seed']}, checkpoint `{origin['checkpoint']}`, "
        f"data `{origin['data']['hash']}`; all of it in [outputs/reference](outputs/reference). "
        "Brackets: 95 % intervals over tracks."
    )
    return "\n".join(lines)


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
