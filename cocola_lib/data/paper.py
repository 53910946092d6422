"""The paper's own numbers (arXiv 2404.16969, Tables I to III and Sec. V-C), printed as the paper's beside ours."""

import pandas as pd

MINIATURE_OF = {  # the miniature that stands in for each data set, in the order of the paper's columns
    "MUSDB18-HQ": "mini-musdb18hq",
    "MoisesDB": "mini-moisesdb",
    "Slakh2100": "mini-slakh2100",
    "CocoChorales": "mini-cocochorales",
}
HELD_OUT = ("MUSDB18-HQ", MINIATURE_OF["MUSDB18-HQ"])  # never trained on, as in the paper

# model, K: accuracy in % on the test sets above
_ACCURACY = (
    ("MoisesDB", 2, 52.56, 53.01, 51.22, 60.32),
    ("Slakh2100", 2, 53.06, 53.58, 53.78, 59.35),
    ("CocoChorales", 2, 70.10, 61.48, 67.50, 99.78),
    ("All", 2, 90.43, 93.06, 90.06, 99.89),
    ("HPS All", 2, 93.87, 93.67, 94.27, 99.68),
    ("HPS All", 8, 78.02, 73.68, 79.72, 98.27),
    ("HPS All", 16, 70.32, 62.17, 72.62, 96.67),
    ("HPS All", 64, 54.33, 34.04, 59.35, 90.67),
)

_TABLE_3_COLUMNS = ("data", "system", "FAD CLAP", "FAD EnCodec", "FAD VGGish", "P+H", "P", "H")
_NO = float("nan")
_TABLE_3 = (
    ("MoisesDB", "Random", 0.072, 19.37, 0.38, 50.53, 52.34, 53.86),
    ("MoisesDB", "GMSDI", 0.37, 193.54, 7.73, 45.29, 46.67, 47.50),
    ("MoisesDB", "SA ControlNet", 0.15, 170.21, 2.59, 55.11, 55.89, 57.34),
    ("MoisesDB", "Diff-A-Riff", 0.14, 12.16, 0.90, 57.34, 58.00, 60.00),
    ("MoisesDB", "Ground Truth", _NO, _NO, _NO, 57.70, 58.66, 60.75),
    ("MUSDB18-HQ", "Random", 0.087, 6.04, 0.49, 49.49, 51.27, 51.32),
    ("MUSDB18-HQ", "GMSDI", 0.44, 23.06, 4.99, 53.51, 53.90, 54.51),
    ("MUSDB18-HQ", "SA ControlNet", 0.12, 12.14, 0.66, 56.41, 57.48, 58.82),
    ("MUSDB18-HQ", "Diff-A-Riff", 0.20, 119.41, 1.68, 53.79, 54.75, 56.08),
    ("MUSDB18-HQ", "Ground Truth", _NO, _NO, _NO, 56.47, 57.55, 58.94),
)

MOS_PEARSON_R = 0.54  # Sec. V-C: COCOLA Score against MOS, 41 listeners, ratings 0-4, p < 0.01


def accuracy() -> pd.DataFrame:
    """Tables I and II, tidy: model, k, test_set, accuracy (in %). Used by notebook 03 and the README."""
    wide = pd.DataFrame(_ACCURACY, columns=["model", "k", *MINIATURE_OF])
    return wide.melt(["model", "k"], var_name="test_set", value_name="accuracy")


def accompaniment() -> pd.DataFrame:
    """Table III: data, system, three FADs (lower is better), COCOLA Scores (higher is better). Used by notebook 04."""
    return pd.DataFrame(_TABLE_3, columns=_TABLE_3_COLUMNS)
