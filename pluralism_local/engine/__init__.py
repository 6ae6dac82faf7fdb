"""Engines: what turns requests into text and option probabilities. `base` is the protocol, the rest carry it out.

Importing any of it sets how long llama.cpp's threads spin at a barrier before they sleep: GNU's OpenMP reads that when
the library is loaded, and its own 300,000 rounds are some 15 ms of a core that another process could have used.
"""

import os

SPIN_ROUNDS = 20_000
"""Measured on two cores with the starter: within 1 % of the default on a quiet machine (1,000 rounds cost 4 %); beside
one busy process an ask that takes 7 s alone takes 12, where the default takes 25, and took 96 without `pace`."""

if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = str(SPIN_ROUNDS)
