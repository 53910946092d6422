"""For maintainers: how the bundled models are made and measured, benchmarks, and the reference run."""
