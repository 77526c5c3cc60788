"""Scripts behind the figures that the documentation quotes. benchmarks/README.md says how to run each."""
