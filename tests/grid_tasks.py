"""Tasks of grids that cost nothing, in a module that workers can import."""

import os
import time
from pathlib import Path

import pandas as pd


def add(folder, a, b=0, text=""):
    """One row; the folder tells how often this cell was run."""
    with (folder / "ran.txt").open("a") as ran:
        ran.write("once\n")
    return {"total": a + b, "third": (a + b) / 3, "text": text}


def two_rows(folder, a, **others):
    return pd.DataFrame({"half": [0, 1], "a": ["the task's own"] * 2, "value": [a + 0.1, a + 0.2]})


def odd_only(folder, a, mended=None):
    """Fails for even numbers, unless a file is there."""
    (folder / "half.txt").write_text("what a failure left")
    if a % 2 == 0 and not Path(mended).exists():
        raise ValueError(f"{a} is even\nand that takes two lines")
    return {"a_squared": a**2}


def gives_nothing(folder, a):
    return None


def slow(folder, a, b, seconds=0.3):
    """One row after a while; the grid's folder gets a file that names the process at once."""
    (folder.parent / f"started-{a}-{b}-{os.getpid()}").touch()
    time.sleep(seconds)
    return {"sum": a + b, "pid": os.getpid(), "threads": os.environ.get("OMP_NUM_THREADS", "")}


def deadly(folder, a):
    """Takes its process down, as the kernel does when memory runs out."""
    if a == 1:
        os._exit(1)
    return {"value": a}
