"""Mutants of model and adapter files: made with a seed, checked by us, and loaded for real in a child."""
