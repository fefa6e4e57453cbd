"""REST of projects and their people."""
