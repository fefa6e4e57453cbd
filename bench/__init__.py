"""Measurements, as ratios within one run: ``python -m bench [NAME…]`` writes results.json and docs/performance.md."""
