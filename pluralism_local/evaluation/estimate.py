"""How much a run would ask, and how long it takes at most, by a short probe.

    RunSetup ──estimate──> {"comments", "prompt_tokens", "completion_tokens", …, "minutes"}

The probe lets the communities write a few words about the first samples and the LLM read one prompt; nothing is kept.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from os.path import commonprefix
from typing import Any

from pluralism_local.evaluation.methods import METHODS, WITH_COMMENTS, mode_of, voices_for
from pluralism_local.evaluation.runner import RunSetup
from pluralism_local.evaluation.samples import Sample
from pluralism_local.mode_specs import SPECS, ModeSpec
from pluralism_local.modes.orders import Order
from pluralism_local.modes.positions.finder import CLAIM, most_claims
from pluralism_local.modes.positions.synthesis import SENTENCE_TOKENS
from pluralism_local.modes.relisting import orders_in
from pluralism_local.types import Message, Request, TextDone

PROBE_SAMPLES = 2
PROBE_TOKENS = 24
_TOKENS_OF_A_STANCE = 40
"""That are read to tell what a comment does with one claim, beside the comment."""


def estimate(setup: RunSetup, methods: Sequence[str]) -> dict[str, Any]:
    """Requests, tokens and minutes at most; rates are those of the probe."""
    samples, members = len(setup.samples), len(setup.pool.members)
    task = setup.task
    probe = setup.samples[:PROBE_SAMPLES]
    count = setup.llm.count_tokens
    vanilla = sum(count(_user(task.vanilla(sample).text)) or 0 for sample in probe) / len(probe)
    vanilla *= task.weighings
    attributed = "attributed" in methods
    comments = samples * members * (("ours" in methods or attributed) + ("persona" in methods))
    if not comments and WITH_COMMENTS & set(methods):
        comments = samples  # of the community that is chosen
    per_comment = setup.comment.max_tokens
    question = (
        sum(count(_user(task.comment(sample).text)) or 0 for sample in probe) / len(probe)
        if task.heard
        else 0.0
    )
    specs = [SPECS[mode_of(name, task)] for name in methods if name in METHODS]
    prompt = question * (samples if comments else 0) + samples * sum(
        _read(spec, vanilla, members, per_comment) for spec in specs
    )
    orders = _orders(setup)
    weighed = samples * sum(members if spec.comments == "each" else 1 for spec in specs) if orders else 0
    prompt += weighed * (orders - 1) * _read_again(setup, probe, vanilla) if weighed else 0
    written = comments * per_comment
    if attributed:
        claims = most_claims(members)
        prompt += samples * members * (per_comment + claims * _TOKENS_OF_A_STANCE)
        written += samples * (members * CLAIM.max_tokens + claims * SENTENCE_TOKENS)
    if task.answers == "text":
        written += samples * (len(methods) - attributed) * setup.answer.max_tokens
    read_rate, write_rate = _reading(setup), _writing(setup) if written else 1.0
    return {
        "comments": comments,
        "weighings": round(weighed * orders * task.weighings),
        "prompt_tokens": round(prompt),
        "completion_tokens": written,
        "read_tokens_per_second": round(read_rate, 1),
        "write_tokens_per_second": round(write_rate, 1) if written else None,
        "minutes": round((prompt / read_rate + written / write_rate) / 60, 1),
    }


def _read(spec: ModeSpec, question: float, members: int, per_comment: int) -> float:
    """Tokens that the LLM reads of a sample, at most."""
    tokens = 0.0
    if "selection" in spec.stages:
        tokens += question + (0 if spec.chooses_first else members * per_comment)
    match spec.comments:
        case "together":
            return tokens + question + members * per_comment
        case "chosen":
            return tokens + question + per_comment
        case "each":
            return tokens + members * (question + per_comment)
    return tokens + question


def _orders(setup: RunSetup) -> float:
    """In how many orders options are weighed, on the mean; 0 where the answer is a text."""
    if setup.task.answers == "text":
        return 0.0
    return sum(len(_orders_of(setup, sample)) for sample in setup.samples) / len(setup.samples)


def _read_again(setup: RunSetup, probe: Sequence[Sample], question: float) -> float:
    """Tokens that one more order of the options costs: its list, or for a server the whole prompt."""
    if setup.llm.capabilities.distribution != "exact":
        return question
    count, tokens = setup.llm.count_tokens, 0
    for sample in probe:
        orders = _orders_of(setup, sample)
        if len(orders) == 1:
            continue
        other = setup.task.in_order(sample, sample.options, orders[-1])
        shared = commonprefix([sample.question, other.question])  # noqa: RUF071 - characters are meant
        tokens += (count(_user(sample.question)) or 0) - (count(_user(shared)) or 0)
    return tokens / len(probe)


def _orders_of(setup: RunSetup, sample: Sample) -> tuple[Order, ...]:
    return orders_in(sample.question, sample.options, setup.orders)


def _writing(setup: RunSetup) -> float:
    """Tokens a second of writing comments, all communities together."""
    voices = voices_for("ours", setup.pool, adapters=setup.communities.capabilities.adapters)
    sampling = replace(setup.comment, max_tokens=PROBE_TOKENS)
    requests = [
        Request((Message("user", setup.task.comment(sample).text),), sampling, voice.adapter)
        for sample in setup.samples[:PROBE_SAMPLES]
        for voice in voices
    ]
    written = 0
    list(setup.communities.generate(requests[:1]))  # whatever is loaded or written the first time
    began = time.perf_counter()
    for event in setup.communities.generate(requests):
        if isinstance(event, TextDone):
            written += event.completion.usage.completion
    return max(written, 1) / max(time.perf_counter() - began, 1e-6)


def _reading(setup: RunSetup) -> float:
    """Tokens a second of reading prompts."""
    long = (Message("user", "word " * 400),)
    setup.llm.forget()
    began = time.perf_counter()
    list(setup.llm.generate([Request(long, replace(setup.answer, max_tokens=1))]))
    return (setup.llm.count_tokens(long) or 400) / max(time.perf_counter() - began, 1e-6)


def _user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)
