"""The NLI adapter: its configuration, its pairs, its training, and its export with proof."""
