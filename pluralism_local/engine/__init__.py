"""Engines: what turns requests into text and option probabilities. `base` is the protocol, the rest carry it out."""
