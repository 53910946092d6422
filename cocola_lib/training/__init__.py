"""Training: recipes, settings, Lightning, saved states, several devices; and small runs for notebooks (Sec. IV)."""

from cocola_lib.extras import need

need("train", "lightning")
