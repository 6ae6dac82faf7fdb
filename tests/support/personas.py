"""Communities that speak through personas, as the tests of prefixes ask them."""

from __future__ import annotations

from pluralism_local.types import Message, Request, Sampling

PERSONAS = (
    "Nurses in small towns look after people, whoever they are. Say in three plain sentences what you have seen in "
    "forty years of work with the sick and the old, what you make of the question, and why you think so.",
    "We organise workers in the harbour and in the mills, and we want fair pay, short weeks and safe machines. Tell "
    "the meeting in a few sentences what the question means for us, and be kind to those who disagree.",
    "Farmers know the weather and the price of corn. Speak for them in three sentences: what does the question mean "
    "for the land, for the animals, and for the children who will have the farm after us?",
)


def asked(persona: str, question: str) -> tuple[Message, ...]:
    return (Message("system", persona, len(persona)), Message("user", question))


def comments(question: str, tokens: int = 4, *, seed: int = 1, keep: bool = False) -> list[Request]:
    """A request for each of `PERSONAS`, sampled."""
    sampling = [Sampling(1.0, 0.9, tokens, seed + i) for i in range(len(PERSONAS))]
    return [
        Request(asked(persona, question), settings, keep=keep)
        for persona, settings in zip(PERSONAS, sampling, strict=True)
    ]
