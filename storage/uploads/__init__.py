"""Uploads: their bytes on disk (``parts``) and their rows (``lifecycle``). Knows nothing of HTTP."""
