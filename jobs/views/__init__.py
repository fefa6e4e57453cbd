"""Pages of tools and jobs, the start page, and the operator's page."""
