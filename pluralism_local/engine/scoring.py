"""Option probabilities from next-token probabilities: pure arithmetic over token paths.

An option can be said in several ways ("A", " A"), each a *path* of one or more tokens after the prompt. Its mass
is the probability that the model's text begins with one of its paths. Paths are made disjoint first: a path that
extends another path of the same option adds nothing; one that extends a path of *another* option ("10" after "1")
belongs to the longer option only, so it is taken off the shorter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, isnan

from pluralism_local.errors import DamagedWeights
from pluralism_local.types import OptionDistribution

Path = tuple[int, ...]


def extends(longer: Path, shorter: Path) -> bool:
    """Whether `longer` begins with `shorter` and goes on."""
    return len(longer) > len(shorter) and longer[: len(shorter)] == shorter


def disjoint(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Distinct non-empty paths of one option, without those that extend another."""
    unique = [path for path in dict.fromkeys(paths) if path]
    return tuple(p for p in unique if not any(extends(p, other) for other in unique))


def prefixes_to_decode(options: Sequence[Sequence[Path]]) -> tuple[Path, ...]:
    """Maximal proper prefixes of the paths: decoding these gives every conditional probability needed."""
    heads = {path[:-1] for paths in options for path in paths if len(path) > 1}
    return tuple(sorted(h for h in heads if not any(extends(other, h) for other in heads)))


def masses(options: Sequence[Sequence[Path]], log_p: Mapping[Path, float]) -> tuple[float, ...]:
    """Probability of each option, in [0, 1], summing to at most 1 (up to rounding).

    `log_p[path]` is the natural logarithm of the joint probability of a path's tokens after the prompt. An
    option whose paths another option shares literally counts for the first of them only.

    Raises:
        DamagedWeights: a probability is NaN.
    """
    if any(isnan(value) for value in log_p.values()):
        raise DamagedWeights(
            "The model computes no probabilities for these options, only NaN.",
            "Its file is probably damaged, or quantized wrongly: try `plocal models verify`.",
        )
    owner: dict[Path, int] = {}
    for index, paths in enumerate(options):
        for path in paths:
            owner.setdefault(path, index)
    result = [0.0] * len(options)
    for path, index in owner.items():
        mass = exp(log_p[path])
        # only the nearest extensions: what extends these is theirs already
        longer = [q for q in owner if extends(q, path)]
        nearest = [q for q in longer if not any(extends(q, other) for other in longer)]
        result[index] += mass - sum(exp(log_p[q]) for q in nearest)
    return tuple(min(1.0, max(0.0, mass)) for mass in result)


def exact_distribution(options: Sequence[str], mass: Sequence[float]) -> OptionDistribution:
    """The distribution that known masses make; uniform where no option has any."""
    total = sum(mass)
    is_weighed = total > 0
    p = tuple(m / total if is_weighed else 1 / len(options) for m in mass)
    return OptionDistribution(
        options=tuple(options),
        p=p,
        mass=tuple(mass),
        unassigned_mass=min(1.0, max(0.0, 1.0 - total)),
        bounds=tuple((m, m) for m in mass),
        method="exact" if is_weighed else "uniform",
    )
