"""Measurements, never tests: ratios and latencies of one run on one machine. `python -m benchmarks [NAME …]`."""
