"""A community's adapter: its configuration, its examples, and its training."""
