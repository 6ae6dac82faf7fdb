"""What a comment does with a claim: which of it is asked of the LLM, and which needs no asking."""

from __future__ import annotations

from pluralism_local.modes.positions.assigner import ScoredPairs, relate_all
from pluralism_local.modes.steps import Case, PositionPlan, Weigh
from pluralism_local.modes.wordings import AskQuestion, AskWordings
from pluralism_local.positions.stances import stance
from pluralism_local.types import OptionDistribution, Sampling


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
