"""The communities of a measured ask: through adapters without a persona, or through a persona without an adapter.

Pool ──speaking_by_adapter──> Pool, seeded adapters for cards without one     ──speaking_by_persona──> Pool
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pluralism_local.bench.seeded import write_lora
from pluralism_local.communities import AdapterSpec, BaseSpec, Member, Pool, made_for
from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import fingerprint
from pluralism_local.models.gguf_file import read_header, sha256_of

Note = Callable[[str], None]


def speaking_by_persona(pool: Pool) -> Pool:
    """`pool` without adapters: everybody has a persona in the system prompt.

    Raises: InvalidInput for a community without a persona.
    """
    members = []
    for member in pool.members:
        card = member.community.card
        if not card.persona:
            raise InvalidInput(
                f"The community {card.id} has no persona.", "Measure it with --voices adapters."
            )
        members.append(replace(member, community=member.community.without_adapters()))
    return replace(pool, members=tuple(members))


def speaking_by_adapter(pool: Pool, model: Path, folder: Path, note: Note) -> Pool:
    """`pool` without personas, with an adapter for every member; seeded ones are written into `folder`.

    Seeded adapters are activated by the model's assistant header, as trained ones will be; a model without a chat
    template gets adapters that act always.
    """
    header = read_header(model)
    mark = fingerprint(header)
    base = BaseSpec(model=model.name, fingerprint=mark)
    header_tokens: tuple[int, ...] = ()
    if any(not has_own(member, mark) for member in pool.members):
        with LlamaEngine(model, name=model.name) as engine:
            header_tokens = engine.answer_header()
    members = []
    for index, member in enumerate(pool.members):
        own = member.community.for_base(mark)
        card, home = own.card, own.folder
        if not has_own(member, mark):
            note(f"writing a seeded adapter for {card.id}")
            file = write_lora(
                folder / f"{card.id}.gguf",
                base_header=header,
                seed=index,
                invocation_tokens=header_tokens or None,
            )
            spec = AdapterSpec(
                file=file.name,
                sha256=sha256_of(file),
                rank=8,
                alpha=16.0,
                activation="assistant" if header_tokens else "always",
            )
            card, home = card.model_copy(update={"adapter": spec, "base": base, "adapters": ()}), folder
        spoken = replace(own, card=card.model_copy(update={"persona": None}), folder=home)
        members.append(Member(spoken, member.weight, member.scale))
    return replace(pool, members=tuple(members))


def has_own(member: Member, fingerprint: str) -> bool:
    """Whether it brings an adapter for this base; one for another base counts as none."""
    return member.community.card.adapter is not None and made_for(member.community, fingerprint)
