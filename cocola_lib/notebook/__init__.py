"""What notebooks need beside the method: run folders, papermill, figures, players, widgets, sentences."""

from cocola_lib.extras import need

need("notebooks", "IPython", "ipywidgets", "matplotlib", "nbformat", "papermill", "seaborn", "tabulate")
