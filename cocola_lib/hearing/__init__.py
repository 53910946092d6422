"""What does a score react to? Probes with one thing wrong, responses, foils, and mere sameness (notebook 05)."""
