"""The page that voila serves: a notebook of one cell beside the study, which shows the room and nothing else."""

from pathlib import Path

import nbformat

from cocola_lib.listening.folder import Study

CELL = """from cocola_lib.listening.folder import Study
from cocola_lib.listening.room import Room

Room(Study("."))"""


def write_page(study: Study) -> Path:
    """Write `<study>/Listening test.ipynb` for voila and return its path."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = study.folder / "Listening test.ipynb"
    nbformat.write(notebook, path)
    return path
