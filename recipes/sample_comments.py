#!/usr/bin/env python
"""Put three sample comments of each community beside the base's into its card.

python recipes/sample_comments.py press-left press-right            # those in adapters/
python recipes/sample_comments.py --all --dry-run                    # print them only

The questions, the seed and the settings are fixed, and nothing is chosen by hand: a reader sees what to expect.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from communitylm.command import run, say
from pluralism_local.errors import InvalidInput

if TYPE_CHECKING:
    from pluralism_local.engine.base import LanguageModel
    from pluralism_local.types import AdapterRef

QUESTIONS = (
    "Should phones be banned in schools?",
    "Should the minimum wage be raised?",
    "What should be done about climate change?",
)
SEED, TEMPERATURE, TOP_P, MAX_TOKENS = 0, 0.7, 0.9, 90

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=__doc__)
def sample(
    communities: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Communities.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All with an adapter.")] = False,
    adapters: Annotated[Path, typer.Option(help="Folder of communities.")] = Path(__file__).parents[1]
    / "adapters",
    base: Annotated[str, typer.Option(help="'starter' or a .gguf file.")] = "starter",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print, change no card.")] = False,
) -> None:
    from communitylm.export.card_file import Facts, update_card
    from communitylm.training.bases import find_base
    from pluralism_local.communities import check_base, load_community
    from pluralism_local.engine.llama import LlamaEngine

    ids = sorted(path.parent.name for path in adapters.glob("*/README.md")) if every else communities or []
    loaded = [load_community(adapters / id) for id in ids]
    named = [community for community in loaded if community.card.adapter is not None]
    if not named:
        raise InvalidInput("No community with an adapter was named.", "Give ids, or --all.")
    model = find_base(base, Path.cwd())
    if model.gguf is None or model.fingerprint is None:
        raise InvalidInput(f"{base} is no GGUF.", "Give 'starter' or a .gguf file.")
    chosen = [community.for_base(model.fingerprint) for community in named]
    for community in chosen:
        check_base(community, model.fingerprint)
    with LlamaEngine(model.gguf, name=base) as engine:
        say(f"Asking {model.name} itself …")
        plain = _answers(engine, None)
        for community in chosen:
            say(f"Asking {community.id} …")
            section = _section(model.name, plain, _answers(engine, community.adapter_ref()))
            if dry_run:
                print(f"# {community.id}\n\n{section}\n")
            elif community.folder is not None:
                update_card(community.folder, Facts(sections={"samples": section}))


def _answers(engine: LanguageModel, adapter: AdapterRef | None) -> list[str]:
    from pluralism_local.prompts import QUESTION
    from pluralism_local.types import Message, Request, Sampling, TextDone

    sampling = Sampling(temperature=TEMPERATURE, top_p=TOP_P, max_tokens=MAX_TOKENS, seed=SEED)
    requests = [
        Request((Message("user", QUESTION.render(question=q)),), sampling, adapter) for q in QUESTIONS
    ]
    done = {e.index: e.completion for e in engine.generate(requests) if isinstance(e, TextDone)}
    return [
        " ".join(done[i].text.split()) + ("" if done[i].finish == "stop" else " …")
        for i in range(len(requests))
    ]


def _section(base: str, plain: list[str], own: list[str]) -> str:
    lines = [
        "## Sample comments",
        "",
        f"Sampled once with seed {SEED}, temperature {TEMPERATURE}, top-p {TOP_P}, {MAX_TOKENS} tokens; not chosen.",
        "What they state may be false.",
    ]
    for question, without, with_adapter in zip(QUESTIONS, plain, own, strict=True):
        lines += [
            "",
            f"**{question}**",
            "",
            f"- With this adapter: {with_adapter}",
            f"- {base} alone: {without}",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    run(app)
