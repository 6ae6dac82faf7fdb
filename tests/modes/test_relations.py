"""What a comment does with a claim: which of it is asked of the LLM, and which needs no asking."""

from __future__ import annotations

from pathlib import Path

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.modes import Ask, run
from pluralism_local.modes.positions.assigner import ScoredPairs, relate_all
from pluralism_local.modes.positions.finder import MOST_CLAIMS
from pluralism_local.modes.steps import Case, Weigh
from pluralism_local.modes.wordings import AskQuestion, AskWordings
from pluralism_local.positions.plan import PositionPlan
from pluralism_local.positions.stances import stance
from pluralism_local.results import Result
from pluralism_local.types import OptionDistribution, Sampling
from tests.support.mode_asks import BOUNDED, pool, script


def test_the_llm_is_not_asked_about_what_a_comment_does_not_speak_of() -> None:
    plan = PositionPlan(attributed=False, finder="llm", method="llm", grammars="gbnf")
    question = AskQuestion("Should phones be banned?", lists_options=False)
    case = Case(AskWordings(), question, "text", (), (), "exact", Sampling(), plan)
    claim, denial = "Phones distract from lessons.", "Phones do not distract from lessons."
    texts = {"left": "They are a distraction.", "right": "Teachers earn little.", "center": " "}
    steps = relate_all(case, texts, [claim, denial], ScoredPairs())
    told: list[str] = []
    try:
        step = next(steps)
        while True:
            reply = None
            if isinstance(step, Weigh):
                told += [wording.text for wording in step.wordings]
                p = (0.5, 0.5) if len(told) > 2 else (0.9, 0.1)
                options = step.options
                bounds = tuple(zip(p, p, strict=True))
                reply = [OptionDistribution(options, p, p, 0.0, bounds, "exact") for _ in step.wordings]
            step = steps.send(reply)
    except StopIteration as end:
        relations = end.value
    assert len(told) == 4 and not any("Teachers" in text for text in told)  # left's two, and the two priors
    plain = {voice: [stance(relation, "llm") for relation in row] for voice, row in relations.items()}
    assert plain["right"] == plain["center"] == ["silent", "silent"]


def test_claims_that_there_is_no_room_for_are_counted_and_not_as_merged(tmp_path: Path) -> None:
    things = [chr(ord("a") + place) * 6 for place in range(MOST_CLAIMS + 4)]
    voices = pool(*((f"of-{thing}", 1.0) for thing in things))
    claims = {f"of-{thing}": f"Only {thing} {thing[:3]}ette helps." for thing in things}
    replies = [
        *({"pattern": f"Comment: {claim}", "text": claim} for claim in claims.values()),
        *({"match": f"You speak for {voice}", "text": claim} for voice, claim in claims.items()),
    ]
    engine = ScriptedEngine(script(tmp_path, replies=replies), capabilities=BOUNDED)
    *_, result = run(Ask("What helps?", "overton", voices, positions=True), llm=engine, communities=engine)
    assert isinstance(result, Result) and result.window is not None
    assert len(result.window.positions) == MOST_CLAIMS
    assert (result.window.merged, result.window.dropped, result.window.beyond) == (0, 0, 4)
