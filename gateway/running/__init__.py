"""Running an instance on one machine: its places, its services, the one runner, and the demo's story."""
