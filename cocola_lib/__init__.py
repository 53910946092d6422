"""COCOLA: do these musical stems belong together? (arXiv 2404.16969)

Data flows one way: files -> tracks -> windows -> pairs -> features -> embeddings -> scores -> tables -> figures.
"""

__version__ = "0.2.0"


def __getattr__(name):
    """Load `Scorer` on first use, so that `import cocola_lib` stays light."""
    if name == "Scorer":
        from cocola_lib.scoring import Scorer

        return Scorer
    raise AttributeError(f"module 'cocola_lib' has no attribute {name!r}")
