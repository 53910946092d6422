"""The site: README, the executed notebooks with their players, their tables, model cards, and the docstrings.

`make site` builds it from `outputs/reference`: nothing is executed, and no page asks another server for anything. Each
page lies where its file lies in the repository, so that links between files are links between pages.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from pathlib import Path

import nbformat
import pandas as pd

from cocola_lib.files import REPO, whole_folder, write_text
from cocola_lib.notebook.plots.dark import PLACE
from cocola_lib.workshop.reference import FOLDER, REFERENCE

PAGES = [Path(name) for name in ("CONTRIBUTING.md", "CHANGELOG.md", "cocola_lib/accompaniment/folder_protocol.md")]
CARDS = [path.relative_to(REPO) for path in sorted(REPO.glob("cocola_lib/models/weights/*/README.md"))]
MOVED = {Path("README.md"): Path("index.md"), REFERENCE: Path("tables.md")}  # file or folder -> its page
CORE = ("sampling", "features", "encoder", "masking", "loss", "evaluation", "clips", "scoring", "files")
ROOMS = ("data", "models", "training", "classification", "accompaniment", "hearing", "listening")
WIDGET = "application/vnd.jupyter.widget-view+json"
DARK = 'html[data-theme="dark"] .text_html:has([data-dark="{}"]) ~ img'  # where a page shows a figure's dark picture
DARK_OF_A_LAB = re.compile(re.escape(PLACE.format("NAME")).replace("NAME", r"(\w+)"))
MOST_ROWS = 40  # of a table that is shown; a longer one is a file to download
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")


def build(out: Path, reference: Path = FOLDER) -> None:
    """Build the site, whole or not at all.

    Args:
        out: folder for the pages; `index.html` is the first one.
        reference: folder of a run, with executed notebooks and `tables`.

    Raises:
        ValueError: what Sphinx found wrong, such as a link that leads nowhere.
    """
    with tempfile.TemporaryDirectory() as folder, whole_folder(out) as pages:
        sources = Path(folder) / "sources"
        lay_out(sources, reference)
        options = ["-W", "--keep-going", "-q", "-d", Path(folder) / "doctrees", "-c", Path(__file__).parent / "pages"]
        command = [sys.executable, "-m", "sphinx", *options, sources, pages]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"{out}: {done.stderr.replace(f'{sources}/', '').strip()}")


def lay_out(sources: Path, reference: Path) -> None:
    """Write the sources of all pages into a folder, as Sphinx reads them."""
    notebooks = [Path("notebooks") / path.name for path in sorted(reference.glob("[0-9][0-9]_*.ipynb"))]
    for page in notebooks:
        write_text(sources / page, (reference / page.name).read_text(encoding="utf-8"))
    pages = {page: (REPO / page).read_text(encoding="utf-8") for page in [Path("README.md"), *PAGES, *CARDS]}
    pages[Path("README.md")] += contents(notebooks)
    for page, text in pages.items():
        write_text(sources / MOVED.get(page, page), linked(text, page, sources))
    for page in notebooks:
        notebook = nbformat.read(sources / page, as_version=4)
        write_text(sources / page, nbformat.writes(shown(notebook, page, sources)))
    (sources / "tables").mkdir()
    for room in ("core", *ROOMS):
        write_text(sources / "api" / f"{room}.rst", api(room))
    found = sorted((reference / "tables").glob("*.csv"))
    write_text(sources / MOVED[REFERENCE], tables(found))
    for path in found:
        shutil.copy(path, sources / "tables")


def contents(notebooks: list[Path]) -> str:
    """The table of contents, in MyST."""
    parts = {
        "Notebooks": notebooks,
        "Results": [MOVED[REFERENCE], *CARDS],
        "Library": [Path("api") / room for room in ("core", *ROOMS)],
        "Project": PAGES,
    }
    blocks = []
    for caption, pages in parts.items():
        names = "\n".join(page.with_suffix("").as_posix() for page in pages)
        blocks.append(f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{names}\n```\n")
    return "".join(blocks)


def linked(text: str, page: Path, sources: Path) -> str:
    """A text whose links lead to pages of the site, to copies of files, or to the repository.

    Args:
        text: Markdown.
        page: where the text stands, from the top of the repository.
        sources: gets a copy of each file that is linked and is no page.
    """

    def replaced(found: re.Match) -> str:
        target = Path(os.path.normpath(page.parent / found[1]))
        if target.suffix == ".py" and (name := _documented(target)):
            return f"#{name}"
        if target.parent == REFERENCE and target.suffix == ".ipynb":
            target = Path("notebooks") / target.name
        is_page = target in (*MOVED, *PAGES, *CARDS) or (target.suffix == ".ipynb" and (sources / target).exists())
        if not is_page and (not (REPO / target).is_file() or target.suffix in (".py", ".ipynb")):
            return f"{_repository()}/{'tree' if (REPO / target).is_dir() else 'blob'}/main/{target.as_posix()}"
        if not is_page:
            (sources / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / target, sources / target)
        return os.path.relpath(MOVED.get(target, target), page.parent) + (found[2] or "")

    return LINK.sub(replaced, text)


def _documented(file: Path) -> str | None:
    """The name of a module that has a place on the pages of the library."""
    name = ".".join(part for part in file.with_suffix("").parts if part != "__init__")
    return name if any(name in modules(room) for room in ("core", *ROOMS)) else None


def _repository() -> str:
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]


def shown(notebook: nbformat.NotebookNode, page: Path, sources: Path) -> nbformat.NotebookNode:
    """An executed notebook as its page shows it.

    Links are followed, widgets are text, papermill's cell is left out, and figures are dark where the page is.
    """
    notebook.metadata.pop("widgets", None)
    notebook.cells = [c for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, page, sources)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop(WIDGET, None)
            if "text/markdown" in data:
                data["text/markdown"] = linked(data["text/markdown"], page, sources)
            if "text/html" in data:
                data["text/html"] = DARK_OF_A_LAB.sub(lambda found: DARK.format(found[1]), data["text/html"])
    return notebook


def tables(paths: list[Path]) -> str:
    """The page of all tables of a run: short ones in full, and every one as a file."""
    by_notebook = defaultdict(list)
    for path in paths:
        by_notebook[path.name[:2]].append(path)
    lines = ["# Tables of the reference run", "", "Numbers have three digits here, and all of them in the files."]
    for number, found in by_notebook.items():
        lines += ["", f"## Notebook {number}"]
        for path in found:
            frame = pd.read_csv(path)
            lines += ["", f"### {path.stem[3:].replace('_', ' ')}", "", f"[{path.name}](tables/{path.name})"]
            if len(frame) > MOST_ROWS:
                lines[-1] += f", {len(frame)} rows"
            else:
                cells = frame.astype(object).where(frame.notna(), None)
                lines += ["", cells.to_markdown(index=False, floatfmt=".3g", missingval="")]
    return "\n".join(lines) + "\n"


def modules(room: str) -> list[str]:
    """The modules that the page of a room, or of the core, documents."""
    if room == "core":
        return [f"cocola_lib.{name}" for name in CORE]
    inner = sorted(path.stem for path in (REPO / "cocola_lib" / room).glob("*.py") if not path.stem.startswith("__"))
    return [f"cocola_lib.{room}", *(f"cocola_lib.{room}.{name}" for name in inner)]


def api(room: str) -> str:
    """The page of a room, or of the core: what the docstrings of its modules say, in reStructuredText."""
    title = "The core" if room == "core" else room.capitalize()
    blocks = [f"{title}\n{'=' * len(title)}\n"]
    for name in modules(room):
        blocks.append(f"{name}\n{'-' * len(name)}\n\n.. automodule:: {name}\n   :members:\n")
    return "\n".join(blocks)


def main() -> None:
    """`python -m cocola_lib.workshop.site build/site`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the pages")
    out = parser.parse_args().out
    try:
        build(out)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from None
    print(f"{out / 'index.html'}")


if __name__ == "__main__":
    main()
