#!/usr/bin/env python
"""Perplexity of held-out text under the base and every adapter, through llama.cpp on the base as plocal runs it.

python recipes/evaluate_adapters.py recipes/configs/press-*.toml
python recipes/evaluate_adapters.py recipes/configs/{press,speech,culture}-*.toml --tokens 4000 --check

Each configuration names a corpus; its held-out part (speakers that were not trained on) is the text. Writes the
matrix as JSON and as a heat map beside it. Scores are kept line by line in OUTPUT.partial.jsonl: the same command goes
on after an interruption, and after one adapter changed only that one is scored.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from communitylm.command import run, say

if TYPE_CHECKING:
    from communitylm.evaluation.matrix import Matrix
    from communitylm.training.bases import Base
    from pluralism_local.communities import Community

HERE = Path(__file__).parent
MISSED = 6

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=__doc__)
def evaluate(
    configs: Annotated[
        list[Path], typer.Argument(metavar="CONFIG...", help="Configurations of communities.")
    ],
    tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help="Tokens of each text, in whole passages.", show_default="training.evaluate of each"
        ),
    ] = None,
    adapters: Annotated[Path, typer.Option(help="Folder of communities.")] = HERE.parent / "adapters",
    base: Annotated[str, typer.Option(help="'starter' or a .gguf file.")] = "starter",
    output: Annotated[Path, typer.Option(help="The matrix.")] = HERE / "results" / "adapter-perplexity.json",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    weights: Annotated[
        str,
        typer.Option(help="auto: a base in Q4_1 or Q5_1 from its copy in Q8_0, like plocal; file: itself."),
    ] = "auto",
    check: Annotated[bool, typer.Option("--check", help="Exit with 6 if a target is missed.")] = False,
    cards: Annotated[
        bool, typer.Option("--cards", help="Write each adapter's figures into its card.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be scored, stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The matrix as JSON on standard output.")] = False,
) -> int:
    from communitylm.community.examples import held_out
    from communitylm.community.settings import read_settings
    from communitylm.evaluation.perplexity import Scorer
    from communitylm.evaluation.score_file import ScoreFile
    from communitylm.evaluation.scoring import Scoring, models_of
    from communitylm.training.bases import find_base
    from pluralism_local import config
    from pluralism_local.communities import check_base, load_community
    from pluralism_local.engine.runner import physical_cores
    from pluralism_local.errors import InvalidInput
    from pluralism_local.models.gguf_file import sha256_of

    if weights not in ("auto", "file"):
        raise InvalidInput(f"--weights is 'auto' or 'file', not '{weights}'.", "Leave it away for auto.")
    model = find_base(base, Path.cwd())
    settings = [read_settings(path) for path in configs]
    fingerprint = model.fingerprint or ""
    communities = [load_community(adapters / each.id).for_base(fingerprint) for each in settings]
    for community in communities:
        check_base(community, fingerprint)
    models = models_of(communities)
    texts = {each.id: held_out(path) for each, path in zip(settings, configs, strict=True)}
    extent = {each.id: tokens or each.values.training.evaluate for each in settings}
    with (
        Scorer(
            model,
            models.files,
            threads or physical_cores(),
            config.paths().cache_dir / "weights" if weights == "auto" else None,
        ) as scorer,
        ScoreFile(output.with_suffix(".partial.jsonl")) as scores,
    ):
        identity = sha256_of(scorer.path) + (f" {scorer.layout}" if scorer.layout else "")
        scoring = Scoring(scorer, scores, models, texts, identity, extent)
        say(
            f"{len(texts)} texts of {sum(extent.values()):,} tokens under {len(models.files)} models: "
            f"{scoring.tokens_missing():,} tokens to score, "
            f"{scoring.scores_in_all - scoring.scores_missing():,} of {scoring.scores_in_all:,} "
            "scores are there."
        )
        if dry_run:
            return 0
        matrix = scoring.run({each.id: each.values.opposites for each in settings}, say)
    _write(matrix, model, scorer.layout, communities, output)
    if cards:
        for community in communities:
            _write_figures(community, matrix)
    print(output.read_text(encoding="utf-8") if as_json else _table(matrix))
    _say_targets(matrix)
    return MISSED if check and matrix.missed() else 0


def _say_targets(matrix: Matrix) -> None:
    for sentence in matrix.missed():
        say(f"Missed: {sentence}")
    for sentence in matrix.unclear():
        say(f"Unclear: {sentence}")


def _write(
    matrix: Matrix, base: Base, layout: str | None, communities: list[Community], output: Path
) -> None:
    from communitylm.evaluation.heatmap import draw
    from pluralism_local import __version__
    from pluralism_local.files import write_atomic
    from pluralism_local.models.gguf_file import sha256_of

    record = {
        **matrix.record(),
        "base": {
            "model": base.gguf.name if base.gguf else base.reference,
            "sha256": sha256_of(base.gguf) if base.gguf else None,
            "fingerprint": base.fingerprint,
            "runs_as": layout or "itself",
        },
        "adapters": {
            community.id: {
                "sha256": community.card.adapter.sha256,
                "rank": community.card.adapter.rank,
                "alpha": community.card.adapter.alpha,
                "scale": community.card.adapter.scale,
            }
            for community in communities
            if community.card.adapter
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "version": __version__,
    }
    write_atomic(output, json.dumps(record, indent=1) + "\n")
    draw(matrix, output.with_suffix(".png"), base.name)
    say(f"Wrote {output} and {output.with_suffix('.png')}.")


def _write_figures(community: Community, matrix: Matrix) -> None:
    from communitylm.export.card_file import Facts, update_card

    check = matrix.checks()[community.id]
    figures = [
        {
            "task": "held-out text",
            "metric": "perplexity",
            "value": round(check["own"], 2),
            "base": round(check["base"], 2),
        }
    ]
    against = "".join(
        f" Under the adapter of {model} it is {row['perplexity']:.2f}."
        for model, row in check["opposites"].items()
    )
    section = (
        "## Figures\n\n"
        f"Perplexity of {matrix.tokens[community.id]:,} tokens of this community's text, by speakers the adapter was "
        f"not trained on: {check['own']:.2f} with the adapter, {check['base']:.2f} without "
        f"({100 * check['improvement']:.0f} % lower).{against} The adapter that does best on it: {check['best']}.\n"
        "All figures with their intervals: `recipes/results/adapter-perplexity.json`."
    )
    if community.folder is not None:
        base = community.card.base.model_dump() if community.card.base else None
        lines = "\n".join(_wrap(section))
        update_card(community.folder, Facts(base=base, evaluation=figures, sections={"figures": lines}))


def _wrap(text: str) -> list[str]:
    """Lines of at most 110 characters, the text's own line ends kept."""
    return [line for part in text.split("\n") for line in (textwrap.wrap(part, 110) or [""])]


def _table(matrix: Matrix) -> str:
    width = max(map(len, matrix.texts))
    short = [str(number) for number in range(len(matrix.models))]
    lines = [f"{number:>3} {model}" for number, model in zip(short, matrix.models, strict=True)]
    lines.append("")
    lines.append(f"{'text':<{width}} " + "".join(f"{number:>8}" for number in short))
    for text in matrix.texts:
        cells = [
            f"{matrix.perplexity[text][model]:.2f}{'*' if model == text else ' '}" for model in matrix.models
        ]
        lines.append(f"{text:<{width}} " + "".join(f"{cell:>8}" for cell in cells))
    lines.append("* its own adapter; lower is better")
    return "\n".join(lines)


if __name__ == "__main__":
    run(app)
