"""Pluralistic answers from language models, on your own machine.

The package is a core (types, communities, engine, modes) and thin front ends over it (cli). Import what you
need from the room it lives in; nothing is imported here, so that `plocal --help` stays fast.
"""

__version__ = "0.2.0.dev0"
