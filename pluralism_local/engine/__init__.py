"""Engines: what turns requests into text and option probabilities. `base` is the protocol, the rest carry it out.

Importing any of it sets how long llama.cpp's threads spin at a barrier before they sleep: GNU's OpenMP reads that when
the library is loaded, and its own 300,000 rounds are some 15 ms of a core that another process could have used.
"""

import os

SPIN_ROUNDS = 5000
"""Rounds of about 50 ns. Barriers of one step follow each other within less, so that a quiet machine never sleeps."""

if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = str(SPIN_ROUNDS)
