"""The label-shuffled control: how good a score is without knowing which answer is which (Roadmap, Appendix B).

    p, (seed, key) ──permuted──> the same probabilities on other options: entropy kept, meaning gone
    keys, seed     ──derangement──> key -> another key, whose response is scored in its place (text tasks)

Everything is drawn from sha256 of the seed and the keys, never from a sample's position. A permutation depends on
its own sample alone; a derangement on the set of samples. Duplicate keys are a bug (ValueError).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256

from pluralism_local.evaluation.metrics.distributions import Vector


def permuted(p: Vector, seed: int, key: str) -> tuple[float, ...]:
    """p's probabilities on options permuted at random, every permutation (the identity, too) equally likely.

    Args:
        p: [options]; NaN moves like any other value.
        seed: of the control.
        key: the sample's name; (seed, key) determines the permutation.

    Returns:
        [options], the same values in another order; empty for empty.
    """
    return tuple(float(p[index]) for index in _order(len(p), seed, key))


def derangement(keys: Sequence[str], seed: int) -> dict[str, str]:
    """Key -> another key, each used once, no key its own: one random cycle through all of them.

    Determined by the seed and the set of keys; their order does not matter. A single key has no other and keeps
    itself; no keys give an empty mapping.

    Raises:
        ValueError: a key twice (a bug).
    """
    names = sorted(keys)
    if len(set(names)) < len(names):
        raise ValueError("a key occurs twice")
    cycle = [names[index] for index in _order(len(names), seed, "\n".join(names))]
    following = dict(zip(cycle, cycle[1:] + cycle[:1], strict=True))
    return {key: following[key] for key in keys}


def _order(count: int, seed: int, key: str) -> list[int]:
    """A random order of 0 … count − 1: sorted by random(), whose stream Python keeps the same in every release."""
    generator = random.Random(int.from_bytes(sha256(f"{seed}\n{key}".encode()).digest()))
    draws = [generator.random() for _ in range(count)]
    return sorted(range(count), key=draws.__getitem__)
