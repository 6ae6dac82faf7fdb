"""Several adapters of a model in one batch. The engine runs without any of it, one wave per adapter."""
