"""REST: projects with their folders, files, and uploads."""
