"""Figures: perplexity of every text under every adapter, and what is kept of runs of `plocal eval`."""
