"""Chat templates in the manner of the families: where the persona goes, and one sentence where a template refuses."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from pluralism_local.engine.chat_template import chat_renderer
from pluralism_local.errors import InvalidInput
from pluralism_local.types import Message
from tests.support.tiny import templates
from tests.support.tiny.families import FAMILIES

PERSONA, QUESTION = "You are a farmer.", "Is tipping fair?"
ASKED = (Message("system", PERSONA), Message("user", QUESTION))
WITHOUT_SYSTEM = {"mistral", "mixtral", "gemma2"}
LEAVES_OUT = "{% for m in messages %}{% if m.role != 'system' %}[{{ m.role }}] {{ m.content }}\n{% endif %}{% endfor %}"


@pytest.mark.parametrize("name", FAMILIES)
def test_the_persona_and_the_question_are_said_once(name: str) -> None:
    template = FAMILIES[name].template
    assert template is not None
    render = chat_renderer(template, bos="<s>", eos="</s>")
    text = render(ASKED, True)
    assert text.count(PERSONA) == text.count(QUESTION) == 1
    if name in WITHOUT_SYSTEM:
        assert f"{PERSONA}\n\n{QUESTION}" in text
    longer = (*ASKED, Message("assistant", "Yes."), Message("user", "Why?"))
    assert render(longer, True).startswith(render(ASKED, False).removesuffix("</s>"))


def test_a_persona_that_a_template_leaves_out_goes_before_the_question() -> None:
    render = chat_renderer(LEAVES_OUT, bos="", eos="")
    assert render(ASKED, True) == f"[user] {PERSONA}\n\n{QUESTION}\n"
    assert render(ASKED[1:], True) == f"[user] {QUESTION}\n"


def test_the_date_is_the_day_s() -> None:
    text = chat_renderer(templates.LLAMA3, bos="", eos="")(ASKED, True)
    date = re.search(r"Today Date: (.+)", text)
    assert date is not None
    assert abs((datetime.now() - datetime.strptime(date[1], "%d %b %Y")).days) <= 1


@pytest.mark.parametrize("template", [templates.MISTRAL, templates.GEMMA, templates.GEMMA3])
@pytest.mark.parametrize("roles", [("user", "user"), ("assistant", "user"), ("system", "user", "user")])
def test_what_does_not_alternate_is_refused_in_a_sentence(template: str, roles: tuple[str, ...]) -> None:
    render = chat_renderer(template, bos="", eos="")
    with pytest.raises(InvalidInput) as caught:
        render([Message(role, "x") for role in roles], True)  # type: ignore[arg-type]
    assert caught.value.message == (
        "The model's chat template refuses this conversation: "
        "Conversation roles must alternate user/assistant/user/assistant/...."
    ).replace("....", ".")
    assert "--template none" in caught.value.hint


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ messages[0].content.nothing.at.all }}", "no attribute"),
        ("{{ 1 // 0 }}", "zero"),
        ("{{ raise_exception('Only tools are supported.') }}", "Only tools are supported"),
        ("{{ no_such_function() }}", "no_such_function"),
        ("{% for x in 5 %}{% endfor %}", "iterable"),
    ],
)
def test_a_template_that_fails_says_why_in_one_line(template: str, why: str) -> None:
    render = chat_renderer(template, bos="", eos="")
    for messages in (ASKED, ASKED[1:]):
        with pytest.raises(InvalidInput) as caught:
            render(messages, True)
        assert why in caught.value.message
        assert "\n" not in caught.value.message
        assert "--template none" in caught.value.hint
