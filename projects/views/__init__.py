"""Pages of projects and their people."""
