"""COCOLA: do these musical stems belong together? (arXiv 2404.16969)

Data flows one way: files -> tracks -> windows -> pairs -> features -> embeddings -> scores -> tables -> figures.
"""

import atexit
import os
import shutil
import tempfile

__version__ = "0.2.0"


def _settle() -> None:
    """Settle what child processes inherit: an absolute COCOLA_DATA, and a place for what numba compiles.

    Numba, librosa's as well, refuses to compile where neither the package nor the user's cache folder may be written,
    as in a container with another user.
    """
    homeless = os.path.expanduser("~") == "~" and "XDG_CACHE_HOME" not in os.environ
    if chosen := os.environ.get("COCOLA_DATA") or homeless and os.path.join(tempfile.gettempdir(), "cocola"):
        os.environ["COCOLA_DATA"] = os.path.abspath(os.path.expanduser(chosen))
    cache = os.path.expanduser("~/.cache/numba")
    while cache != "/" and os.path.isabs(cache) and not os.path.exists(cache):
        cache = os.path.dirname(cache)
    if os.name == "posix" and "NUMBA_CACHE_DIR" not in os.environ and not (os.path.isabs(cache) and _is_open(cache)):
        os.environ["NUMBA_CACHE_DIR"] = folder = tempfile.mkdtemp(prefix="cocola-numba-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _is_open(folder: str) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


_settle()


def __getattr__(name):
    """Load `Scorer` on first use, so that `import cocola_lib` stays light."""
    if name == "Scorer":
        from cocola_lib.scoring import Scorer

        return Scorer
    raise AttributeError(f"module 'cocola_lib' has no attribute {name!r}")
