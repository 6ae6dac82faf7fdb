"""What `plocal values --dry-run` prints: the prompts, with a stand-in for each value, and their lengths.

What is asked about each value follows from the list, which nobody writes here.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pluralism_local.cli.output import Output, key_values
from pluralism_local.display.figures import clean
from pluralism_local.modes.values.finder import REASON_TOKENS
from pluralism_local.modes.values.prompts import NOWHERE
from pluralism_local.modes.values.running import check, wordings_for
from pluralism_local.types import Message
from pluralism_local.values.stakes import Stake

if TYPE_CHECKING:
    from pluralism_local.engine.base import LanguageModel
    from pluralism_local.modes.wordings import Wording

STAND_IN = Stake("value", "[value goes here]")


def show_plan(out: Output, llm: LanguageModel, situation: str, limit: int, min_relevance: float) -> None:
    """Print the plan; nothing is decoded.

    Raises: InvalidInput, Unsupported as `find_values`.
    """
    check(situation, llm, limit, min_relevance)
    put = wordings_for(llm)
    steps = [
        _step(llm, put.list(situation), f"list, up to {put.first + put.more} times", put.list_tokens, ()),
        _step(llm, put.relevance(situation, STAND_IN), "relevance of each listed", None, put.agrees),
        *(
            [_step(llm, put.relevance(NOWHERE, STAND_IN), "the same without situation", None, put.agrees)]
            if put.calibrated
            else []
        ),
        *(
            _step(llm, wording, "valence of each kept", None, put.leanings or put.agrees)
            for wording in put.valence(situation, STAND_IN)
        ),
        _step(llm, put.reason(situation, STAND_IN, "either"), "reason of each kept", REASON_TOKENS, ()),
    ]
    plan = {
        "schema": "plocal.values-plan/1",
        "situation": situation,
        "model": asdict(llm.info),
        "limit": limit,
        "min_relevance": min_relevance,
        "steps": steps,
    }
    facts = key_values(
        [
            ("model", llm.info.id),
            ("looked into", f"{limit} at most, of those at stake with {min_relevance:g} or more"),
        ]
    )
    out.show(plan, "\n\n".join([facts, *(_text(out, number, step) for number, step in enumerate(steps, 1))]))


def _step(
    llm: LanguageModel, wording: Wording, purpose: str, max_tokens: int | None, weighed: tuple[str, ...]
) -> dict[str, Any]:
    messages = (Message("user", wording.text),)
    return {
        "purpose": purpose,
        "prompt": wording.prompt.id,
        "content": wording.text,
        "tokens": llm.count_tokens(messages) if llm.capabilities.counts_tokens else None,
        "max_tokens": max_tokens,
        "options": list(weighed),
    }


def _text(out: Output, number: int, step: dict[str, Any]) -> str:
    length = "length unknown" if step["tokens"] is None else f"{step['tokens']} tokens"
    then = f"weigh {', '.join(step['options'])}" if step["options"] else f"{step['max_tokens']} new at most"
    head = out.bold(f"[{number}] {step['purpose']}: {length}, {then}")
    return "\n".join([head, *(f"  {line}".rstrip() for line in clean(step["content"]).splitlines())])
