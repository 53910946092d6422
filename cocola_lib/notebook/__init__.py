"""What notebooks need beside the method: run folders, papermill, figures, players, widgets, sentences."""
