"""Room in a folder: what is used, what open uploads have reserved, what is left."""
