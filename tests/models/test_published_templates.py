"""Templates for files of 2023 that carry none: by the names that these files have, and in the form of the makers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.engine.chat_template import chat_renderer
from pluralism_local.models.details import describe
from pluralism_local.models.published_templates import published_template
from pluralism_local.types import Message
from tests.support.gguf_files import write_model


@pytest.mark.parametrize(
    ("name", "has"),
    [
        ("mistralai_mistral-7b-instruct-v0.1", True),
        ("Mistral 7B Instruct v0.2", True),
        ("mistralai_mistral-7b-v0.1", False),
        ("Mistral-7B-Instruct-v0.3", False),
        ("", False),
        (None, False),
    ],
)
def test_whose_template_is_known(name: str | None, has: bool) -> None:
    assert (published_template(name) is not None) is has


def test_the_form_is_that_of_the_papers_released_code() -> None:
    """`tokenizer.apply_chat_template` of mistralai/Mistral-7B-Instruct-v0.1, as its card spells it."""
    template = published_template("mistralai_mistral-7b-instruct-v0.1")
    assert template is not None
    render = chat_renderer(template, bos="<s>", eos="</s>")
    question = (Message("user", "Is tipping fair?"),)
    assert render(question, True) == "<s>[INST] Is tipping fair? [/INST]"
    more = (*question, Message("assistant", "Yes."), Message("user", "Why?"))
    assert render(more, True) == "<s>[INST] Is tipping fair? [/INST]Yes.</s> [INST] Why? [/INST]"
    told = (Message("system", "Be brief."), *question)
    assert render(told, True) == "<s>[INST] Be brief.\n\nIs tipping fair? [/INST]"


def test_a_file_without_a_template_has_its_makers(tmp_path: Path) -> None:
    plain = write_model(tmp_path / "plain.gguf", template=None)
    assert describe(plain).chat_template_sha256 is None
