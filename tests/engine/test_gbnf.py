"""Which grammars are taken: those that llama.cpp takes, and none that it prints about, hangs at or dies of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralism_local.engine.gbnf import MOST_CHARACTERS, check
from pluralism_local.engine.grammar import check_all
from pluralism_local.engine.handles import Model
from pluralism_local.engine.library import install_log
from pluralism_local.errors import InvalidInput
from tests.support.tiny.model import write_tiny

GOOD = (
    'root ::= "yes" | "no"',
    "# a remark\nroot ::= item+ # another\nitem ::= [a-z0-9_-]+ ws\nws ::= [ \\t\\n]*\n",
    'root ::= ("a" |\n  "b"\n){2,5} "."? x{3} x{2,}\nx ::= [^"\\\\\\x7F\\x00-\\x1F]',
    'root ::= "[" (root ("," root)*)? "]"',
    'root ::= "é" "\\u00e9" "\\U0001F600" .',
    'root ::=\n  "a" | \n  "b"\n\nunused ::= root',
    "root ::= ",
)
BAD = {
    "": "no rule 'root'",
    "x ::= [a]": "no rule 'root'",
    "root ::= y": "'y' is used",
    'root = "a"': "::= is expected",
    'root ::= "a': 'closing "',
    "root ::= [a": "closing ]",
    "root ::= []": "empty",
    'root ::= ("a"': ") is expected",
    'root ::= "a")': "end of a rule",
    'root ::= "\\q"': "backslash",
    'root ::= "\\U00FFFFFF"': "backslash",
    "root ::= *": "nothing to repeat",
    'root ::= ""*': "nothing to repeat",
    'root ::= "a"{3,2}': "no number of times",
    'root ::= "a"{0}': "no number of times",
    'root ::= "a"{,3}': "such as {2,5}",
    'root ::= "a"{2000}': "repetitions",
    'root ::= (("a"{50} "b"){50}){50}': "repetitions",
    "root ::= " + "(" * 60 + '"a"' + ")" * 60: "deeper",
    "root ::= <think>": "a token",
    "root ::= !<[7]>": "a token",
    'root ::= "a"\0': "null character",
    'root ::= "\ud800"': "surrogate",
    'root ::= "' + "a" * MOST_CHARACTERS + '"': "characters",
}
PIECES = (*'()|*?+. \n"]#^', '"a"', "[a-c]", "root", "x", "{2}", "{1,3}", "{2,}", "::=", " y ::= ", " x")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    install_log()
    return Model(write_tiny(tmp_path_factory.mktemp("gbnf") / "tiny.gguf"))


@pytest.mark.parametrize("grammar", GOOD)
def test_taken(model: Model, grammar: str) -> None:
    check_all(model, [grammar, None])


@pytest.mark.parametrize("grammar", BAD)
def test_refused_in_one_sentence(grammar: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check(grammar)
    message = str(caught.value)
    assert BAD[grammar] in message
    assert message.count("\n") == 0


@pytest.mark.parametrize(
    "grammar",
    [
        'root ::= root "a" | "b"',
        'root ::= x\nx ::= ("a"?) root "b"',
        'root ::= x\nx ::= y* "z"\ny ::= "c"? x "d"',
        'root ::= ("a"*)*',
        "root ::= x+\nx ::= y?\ny ::= [a]",
        "root ::= (root)",
        "root ::= .**",
    ],
)
def test_what_comes_to_itself_before_a_character_is_refused(grammar: str) -> None:
    with pytest.raises(InvalidInput, match=r"begin with itself|may be empty"):
        check(grammar)


@settings(max_examples=600)
@given(st.lists(st.sampled_from(PIECES), max_size=14))
def whatever_passes_is_read(model: Model, pieces: list[str]) -> None:
    grammar = 'x ::= "x"\nroot ::= ' + "".join(pieces)
    try:
        check(grammar)
    except InvalidInput:
        return
    check_all(model, [grammar])


def test_whatever_passes_is_read_by_llama_cpp_without_a_word(
    model: Model, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is refused there that passed here: its parser would print the grammar to the terminal."""
    whatever_passes_is_read(model)
    assert capfd.readouterr() == ("", "")
