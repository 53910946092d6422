"""Table III: systems, baselines, an accompanist without learning, distances of embeddings, retrieval."""
