"""Storage sites: one small interface, an adapter for each kind of site."""
