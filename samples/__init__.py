"""Sample data with a known truth: movies, class averages and half maps simulated from one structure.

`python -m samples OUT_DIR` writes them; nothing here needs the portal. Everything is drawn from fixed seeds, so that
two runs write the same data.
"""
