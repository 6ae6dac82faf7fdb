"""What a language model is asked about a pair, in training as in use.

The question comes first, so that everything before the premise is the same for all pairs: an engine computes it once
for a batch, and pairs of one premise share that, too.
"""

from __future__ import annotations

from pluralism_local.prompts import Prompt

NLI_PAIR = Prompt(
    "nli.pair",
    1,
    "own: what the NLI adapter is trained on",
    "Does the premise entail the hypothesis? Answer Yes, Maybe or No."
    "\nPremise: {premise}\nHypothesis: {hypothesis}",
)

NLI_WORDS = ("Yes", "Maybe", "No")
"""Answers that stand for entailment, neutral and contradiction; each is one token of the starter model."""


def nli_message(premise: str, hypothesis: str) -> str:
    """The user message about a pair; white space, line breaks included, counts as one space."""
    return NLI_PAIR.render(premise=" ".join(premise.split()), hypothesis=" ".join(hypothesis.split()))
