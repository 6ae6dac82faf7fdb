"""Several adapters of a model in one batch, for any architecture. The engine runs without this folder (`together`)."""
