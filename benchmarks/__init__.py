"""Measurements of speed and quality; every figure in RESULTS.md comes from a file that one of them wrote."""
