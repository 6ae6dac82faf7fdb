"""Writing a community's card: the facts of a training and its evaluation, into the front matter that people wrote.

    folder/README.md ──update_card(facts)──> the same card, its hand-written keys, order, comments and text kept
    no card yet      ──starting_card──> a card whose limits a person must fill in

Prose between ``<!-- recipe: NAME -->`` and ``<!-- /recipe -->`` is ours and replaced; the rest is never touched.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput
from pluralism_local.files import write_atomic

CARD = "README.md"
TAGS = ("plocal-community", "lora", "gguf")
WIDTH = 100


@dataclass(frozen=True)
class Facts:
    """What a recipe knows; None leaves that part of the card as it is.

    Attributes:
        adapter, base, provenance: blocks of the card's ``plocal:``, as `communities.cards` has them. An adapter without
            a scale keeps the card's own, 1.0 in a new block. A base other than that of the card's first adapter has its
            adapter, provenance and evaluation among the card's ``adapters``.
        base_model: the base's name on the Hub.
        evaluation: figures; one of the same task and metric replaces the earlier.
        sections: name -> Markdown for people.
        judged: entries of `plocal communities judge`; one of the same model and form replaces the earlier.
    """

    adapter: Mapping[str, Any] | None = None
    base: Mapping[str, Any] | None = None
    provenance: Mapping[str, Any] | None = None
    base_model: str | None = None
    evaluation: Sequence[Mapping[str, Any]] = ()
    sections: Mapping[str, str] = field(default_factory=dict)
    judged: Sequence[Mapping[str, Any]] = ()


def update_card(folder: Path, facts: Facts) -> None:
    """Write `facts` into the card of `folder`.

    Raises:
        InvalidInput: the card has no front matter with a ``plocal:`` block, or no adapter for the base of figures.
        OSError: it cannot be written.
    """
    path = folder / CARD
    text = path.read_text(encoding="utf-8-sig")
    parts = re.fullmatch(r"---\n(.*?\n)---\n(.*)", text, re.DOTALL)
    if parts is None:
        raise InvalidInput(
            f"{path} has no front matter.", "A card begins with a line '---', YAML, and another '---'."
        )
    data = _yaml().load(parts[1])
    if not isinstance(data, dict) or "plocal" not in data:
        raise InvalidInput(f"{path} has no 'plocal' block.", "See adapters/README.md for the form of a card.")
    block = data["plocal"]
    further = facts.base is not None and _is_further(block, facts.base)
    if facts.adapter is not None:
        _place(data, "tags", _tags(data.get("tags")), before="base_model", otherwise="plocal")
        if facts.base_model is not None:
            _place(data, "base_model", _models(data, facts.base_model, further=further), before="plocal")
            _place(data, "base_model_relation", "adapter", before="plocal")
    if further:
        _put_further(block, facts, path)
    else:
        _put_first(block, facts)
    _replace_rows(block, "judged", facts.judged, ("model", "form"))
    head = _dumped(data)
    body = parts[2]
    for name, section in facts.sections.items():
        body = _put_section(body, name, section)
    write_atomic(path, f"---\n{head}---\n{body}")


def starting_card(community: str, name: str, description: str) -> str:
    """A card for a community that has none, to be completed by a person."""
    data = {
        "license": "other",
        "language": "en",
        "library_name": "plocal",
        "tags": _flow(TAGS),
        "plocal": {
            "schema": 1,
            "id": community,
            "name": name,
            "description": description,
            "limits": {
                "not_for": [
                    "Statements in the name of a real person or organisation",
                    "Telling what members of the community think; it is a model of some of their texts",
                ],
                "known_failures": ["It may state things that are false"],
            },
        },
    }
    return (
        f"---\n{_dumped(data)}---\n\n# {name}\n\n{description}\n\n"
        "Before you share it: say here who the community is, who wrote the texts and under which terms, what it\n"
        "must not be used for and where it fails; complete `license` and `limits` above.\n"
    )


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = WIDTH
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dumped(data: Any) -> str:
    out = io.StringIO()
    _yaml().dump(data, out)
    return re.sub(r" +$", "", out.getvalue(), flags=re.MULTILINE)  # left where a long text is wrapped


def _flow(value: Mapping[str, Any] | Sequence[str]) -> Any:
    """A value written in one line: ``[a, b]`` or ``{a: 1}``."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    flow = CommentedMap(value) if isinstance(value, Mapping) else CommentedSeq(value)
    flow.fa.set_flow_style()
    return flow


def _tags(earlier: Any) -> Any:
    """The tags of a card with an adapter, then those that people added."""
    added = [tag for tag in earlier or () if tag not in (*TAGS, "persona")]
    return _flow([*TAGS, *added])


def _place(mapping: Any, key: str, value: Any, *, before: str, otherwise: str = "") -> None:
    """Set a key; one that is new goes before `before`, or `otherwise`, where that is there, else to the end."""
    there = next((name for name in (before, otherwise) if name in mapping), None)
    if key in mapping or there is None:
        mapping[key] = value
    else:
        mapping.insert(list(mapping).index(there), key, value)


def _is_further(block: Any, base: Mapping[str, Any]) -> bool:
    """Whether the card has a first adapter, for another base than `base`."""
    first = block.get("base") or {}
    return block.get("adapter") is not None and first.get("fingerprint") != base["fingerprint"]


def _put_first(block: Any, facts: Facts) -> None:
    if facts.adapter is not None:
        scale = (block.get("adapter") or {}).get("scale", 1.0)
        _fill(block, "adapter", {**facts.adapter, "scale": facts.adapter.get("scale", scale)})
    if facts.base is not None:
        _fill(block, "base", facts.base)
    if facts.provenance is not None:
        _fill(block, "provenance", facts.provenance)
    _replace_rows(block, "evaluation", facts.evaluation, ("task", "metric"))


def _put_further(block: Any, facts: Facts, path: Path) -> None:
    """The facts into that entry of ``adapters`` which is for their base, a new one at the end."""
    base = dict(facts.base or {})
    there = block.get("adapters") or []
    entry = next((spec for spec in there if spec["base"]["fingerprint"] == base["fingerprint"]), None)
    if entry is None:
        if facts.adapter is None:
            raise InvalidInput(f"{path} has no adapter for {base['model']}.", "Export the adapter first.")
        if "adapters" not in block:
            _place(block, "adapters", [], before="limits")
        entry = {}
        block["adapters"].append(entry)
    if facts.adapter is not None:
        entry.update({**facts.adapter, "scale": facts.adapter.get("scale", entry.get("scale", 1.0))})
    entry["base"] = base
    if facts.provenance is not None:
        entry["provenance"] = dict(facts.provenance)
    _replace_rows(entry, "evaluation", facts.evaluation, ("task", "metric"))


def _models(data: Any, own: str, *, further: bool) -> Any:
    """``base_model`` of the Hub: a name, or a list where the card has adapters for several bases."""
    earlier = data.get("base_model") or []
    names = [earlier] if isinstance(earlier, str) else list(earlier)
    if not further:  # it is the first adapter's, which stands first
        names = names[1:]
        return own if not names else _flow([own, *names])
    return _flow(list(dict.fromkeys([*names, own])))


def _fill(block: Any, key: str, values: Mapping[str, Any]) -> None:
    """Make ``block[key]`` hold `values` and nothing else; comments beside what stays are kept."""
    there = block.get(key)
    if not isinstance(there, dict):
        _place(block, key, dict(values), before="limits")
        return
    for gone in there.keys() - values.keys():
        del there[gone]
    there.update(values)


def _replace_rows(block: Any, key: str, rows: Sequence[Mapping[str, Any]], name: tuple[str, ...]) -> None:
    """Add `rows` to the list ``block[key]``, in place of those that have the same values under the keys of `name`."""
    if not rows:
        return
    replaced = {tuple(row[part] for part in name) for row in rows}
    others = [row for row in block.get(key) or [] if tuple(row.get(part) for part in name) not in replaced]
    block[key] = [*others, *(_flow(row) for row in rows)]


def _put_section(body: str, name: str, text: str) -> str:
    block = f"<!-- recipe: {name} -->\n{text.strip()}\n<!-- /recipe -->"
    pattern = re.compile(rf"<!-- recipe: {re.escape(name)} -->\n.*?<!-- /recipe -->", re.DOTALL)
    if pattern.search(body):
        return pattern.sub(lambda _: block, body)
    return f"{body.rstrip()}\n\n{block}\n"
