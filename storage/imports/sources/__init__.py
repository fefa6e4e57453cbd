"""The kinds of places that files are imported from: how one looks into them, and what lets a request in."""
