"""One card: what is read from it, and everything that is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.communities import Card, Community, load_community
from pluralism_local.errors import InvalidInput, NotFound
from tests.support.cards import MakeCard, plocal, write_card


def card(**changes: Any) -> Community:
    return Community(Card.model_validate(plocal("here", **changes)))


def refused(tmp_path: Path, front_matter: object, kind: type[InvalidInput] = InvalidInput) -> InvalidInput:
    with pytest.raises(kind) as caught:
        load_community(write_card(tmp_path, "here", front_matter))
    assert str(tmp_path / "here" / "README.md") in caught.value.message
    return caught.value


def test_a_whole_card_is_read(tmp_path: Path) -> None:
    block = plocal(
        "here",
        prior={"weight": 0.25, "of": "US adults", "source": "a survey", "year": 2024},
        limits={"not_for": ["voting advice"], "known_failures": ["short answers"]},
        evaluation=[{"task": "steerable-vk", "metric": "accuracy", "value": 0.5, "base": 0.25}],
    )
    hub = {"license": "apache-2.0", "language": "en", "tags": ["plocal-community"], "model-index": [{"a": 1}]}
    community = load_community(write_card(tmp_path, "here", {**hub, "plocal": block}))
    assert (community.id, community.name, community.folder) == ("here", "A name", tmp_path / "here")
    assert community.expert == "What this community is."
    assert community.card.prior is not None and community.card.prior.weight == 0.25
    assert community.card.limits is not None and community.card.limits.not_for == ("voting advice",)
    assert community.card.evaluation[0].base == 0.25
    assert community.card.hub.language == ("en",)
    assert community.card.hub.license == "apache-2.0"
    assert community.card.hub.model_index == [{"a": 1}]
    assert community.adapter_ref() is None


def test_readme_path_crlf_and_byte_order_mark_are_understood(tmp_path: Path) -> None:
    folder = write_card(tmp_path, "here", {"plocal": plocal("here")})
    file = folder / "README.md"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert load_community(file).id == "here"


def test_the_dates_of_yaml_and_of_people_are_dates(tmp_path: Path) -> None:
    provenance = "{corpus: speeches, licence: public domain, date: 2026-03-01}"
    text = f"plocal: {{schema: 1, id: here, name: n, description: d, persona: p, provenance: {provenance}}}"
    found = load_community(write_card(tmp_path, "here", text)).card.provenance
    assert found is not None and found.date is not None and found.date.isoformat() == "2026-03-01"


@pytest.mark.parametrize(
    ("changes", "where", "hint"),
    [
        ({"persone": "x"}, "plocal.persone", "persona"),
        ({"limits": {"not_four": []}}, "plocal.limits.not_four", "not_for"),
        ({"evaluation": [{"tsk": "x"}]}, "plocal.evaluation.0.tsk", "task"),
        ({"hub": {}}, "plocal.hub", ""),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest(
    tmp_path: Path, changes: dict[str, object], where: str, hint: str
) -> None:
    error = refused(tmp_path, {"plocal": plocal("here", **changes)})
    assert f"'{where}'" in error.message
    assert hint in error.hint


def test_an_unknown_hub_key_is_refused_with_the_nearest(tmp_path: Path) -> None:
    error = refused(tmp_path, {"licence": "apache-2.0", "plocal": plocal("here")})
    assert "'licence'" in error.message
    assert "'license'" in error.hint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "Here"}, "'plocal.id'"),
        ({"id": "a"}, "'plocal.id'"),
        ({"id": "é-e"}, "'plocal.id'"),
        ({"id": "elsewhere"}, "the id is 'elsewhere' but the folder is 'here'"),
        ({"id": 12}, "'plocal.id'"),
        ({"id": "llm"}, "plocal.id: 'llm' is the name of the main model"),
        ({"schema": 2}, "'plocal.schema'"),
        ({"name": None}, "'plocal.name' is missing"),
        ({"description": "  "}, "the text is empty"),
        ({"persona": None}, "a persona, an adapter, or both"),
        ({"persona": "red \x1b[31m text"}, "control character"),
        ({"persona": "x" * 8001}, "'plocal.persona'"),
        ({"name": "half \ud800"}, "'plocal.name' should be a valid string"),
        ({"prior": {"weight": 0.2, "of": "US adults"}}, "'plocal.prior.source' is missing"),
        ({"prior": {"weight": 0.2, "source": "s"}}, "'plocal.prior.of' is missing"),
        ({"prior": {"weight": 0, "of": "o", "source": "s"}}, "'plocal.prior.weight'"),
        ({"prior": {"weight": 1.5, "of": "o", "source": "s"}}, "'plocal.prior.weight'"),
        ({"prior": {"weight": float("nan"), "of": "o", "source": "s"}}, "'plocal.prior.weight'"),
        ({"prior": {"weight": True, "of": "o", "source": "s"}}, "'plocal.prior.weight'"),
        ({"limits": {"not_for": "everything"}}, "'plocal.limits.not_for'"),
    ],
)
def test_invalid_values_are_refused_by_name(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    assert said in refused(tmp_path, {"plocal": plocal("here", **changes)}).message


def test_a_yaml_boolean_where_a_text_belongs_is_explained(tmp_path: Path) -> None:
    # Norwegian's language code is a boolean in YAML
    error = refused(tmp_path, {"plocal": plocal("here", name=False)})
    assert "got False" in error.message
    assert error.hint == "Put it in quotes."


def test_an_unquoted_colon_in_a_list_is_explained(tmp_path: Path) -> None:
    text = (
        "plocal: {schema: 1, id: here, name: n, description: d, persona: p, limits: {not_for: [votes: any]}}"
    )
    assert refused(tmp_path, text).hint == "A text with a colon needs quotes."


def test_a_one_megabyte_field_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    error = refused(tmp_path, {"plocal": plocal("here", persona="x" * 1_000_000)})
    assert "too large" in error.message and "262,144" in error.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no 'plocal' block"),
        ("license: mit", "no 'plocal' block"),
        ("- a\n- b", "no 'plocal' block"),
        ("plocal: [unclosed", "line"),
        ("plocal: {a: 1}\nplocal: {b: 2}", "line 3: the key 'plocal' is given twice"),
        ("a: &x [1, 2]\nplocal: *x", "line 2: anchors (&) and aliases (*) are not allowed"),
        ("plocal: *nowhere", "anchors (&) and aliases (*) are not allowed"),
        ("plocal: {<<: {id: here}}", "'<<' is not allowed"),
        ("plocal: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("plocal: 2026-99-99", "not YAML that can be used"),
        ("plocal: " + "9" * 5000, "not YAML that can be used"),
        ("plocal: " + "[" * 50_000, "levels of nesting"),
        ("plocal: " + "- " * 5_000 + "x", "line 2"),
        ("plocal: {? [a, b] : c}", "line 2"),
        ('plocal: "\\uD800"', "'plocal' should be a mapping"),
    ],
)
def test_hostile_and_broken_yaml_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text).message


def test_a_yaml_bomb_does_not_expand(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    assert "anchors" in refused(tmp_path, "\n".join(lines)).message


def test_binary_and_missing_front_matter_are_refused(tmp_path: Path) -> None:
    file = write_card(tmp_path, "here", {}) / "README.md"
    file.write_bytes(b"---\n\xff\xfe\n---\n")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        load_community(file)
    file.write_text("# Just a readme\n\n---\n\ntext\n\n---\n")
    with pytest.raises(InvalidInput, match="no front matter"):
        load_community(file)
    file.write_text("---\nplocal: {}\n")
    with pytest.raises(InvalidInput, match="no front matter"):
        load_community(file)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match=r"has no README\.md"):
        load_community(tmp_path / "empty")
    with pytest.raises(NotFound):
        load_community(tmp_path / "nowhere")


@pytest.mark.timeout(10)
def test_a_pipe_in_place_of_a_card_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    os.mkfifo(tmp_path / "here" / "README.md")
    with pytest.raises(InvalidInput, match="pipe"):
        load_community(tmp_path / "here")


@pytest.mark.parametrize(
    "persona",
    [
        "{question.__class__}",
        "{x}",
        "{}",
        "{0}",
        "{{question}}",
        "{question!r}",
        "{ question }",
        "a { b",
        "a } b",
        "{question} {question.__init__}",
    ],
)
def test_any_other_brace_in_a_persona_is_refused_at_load(tmp_path: Path, persona: str) -> None:
    message = refused(tmp_path, {"plocal": plocal("here", persona=persona)}).message
    assert "plocal.persona" in message and "{question}" in message


def test_only_the_question_is_replaced() -> None:
    assert card(persona="Q: {question} A, {question}").system("Why?") == "Q: Why? A, Why?"
    assert card(persona="We answer.").system("Why?") == "We answer."
    assert card(persona="We weigh {question}").system("{question} {x} {}") == "We weigh {question} {x} {}"


def test_a_personas_message_says_how_much_of_it_recurs() -> None:
    whole = card(persona="We answer.").message("Why?")
    assert whole is not None and (whole.role, whole.content, whole.recurring) == ("system", "We answer.", 10)
    asked = card(persona="Q: {question} A").message("Why?")
    assert asked is not None and (asked.content, asked.recurring) == ("Q: Why? A", 3)


visible = st.text(
    st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="{}\u115f\u1160\u3164\uffa0")
)


@given(visible, visible, st.text())
def test_substitution_puts_in_the_question_and_changes_nothing_else(a: str, b: str, question: str) -> None:
    persona = f"<{a}{{question}}{b}>"
    assert card(persona=persona).system(question) == f"<{a}{question}{b}>"


@given(st.text(alphabet="{}q.!: "), st.text(max_size=5))
def test_a_persona_has_no_brace_left_or_is_refused(rest: str, question: str) -> None:
    persona = f"x{rest}{{question}}"
    if "{" in rest or "}" in rest:
        with pytest.raises(ValueError, match="only the literal"):
            card(persona=persona)
    else:
        assert card(persona=persona).system(question) == f"x{rest}{question}"


def test_an_adapter_beside_a_persona_needs_one(make_adapted: MakeCard) -> None:
    folder = make_adapted("here", adapter={"beside_persona": True})
    community = load_community(folder)
    for adapter in (True, False):
        assert community.spoken_persona("?", adapter=adapter) == community.message("?") is not None
    block = yaml.safe_load((folder / "README.md").read_text().split("---")[1])
    del block["plocal"]["persona"]
    with pytest.raises(InvalidInput, match="needs the persona that it was trained behind"):
        load_community(write_card(folder.parent, "here", block))


def test_a_scale_without_an_adapter_is_refused() -> None:
    with pytest.raises(InvalidInput, match="has no adapter"):
        card().adapter_ref(0.5)
