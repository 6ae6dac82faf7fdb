"""Every option, spelled once: names, help, default and environment variable (``PLOCAL_<OPTION>``).

The value of an option left out is None where the config file may say more; the default in the help is then
the built-in one. A list from an environment variable is separated by white space (``PLOCAL_COMMUNITY``) or by
line breaks (``PLOCAL_OPTION``, whose items contain spaces).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pluralism_local.cli.output import Output
from pluralism_local.errors import InvalidInput
from pluralism_local.mode_specs import DEFAULT, SPECS, Orders, PromptChoice, listed, steering
from pluralism_local.model_names import STARTER, server_forms

if TYPE_CHECKING:
    from pluralism_local.config import Loaded


def option(*names: str, help: str, default: str = "off", metavar: str | None = None) -> Any:
    """A typer option with its variable, and its default as the last words of the help."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "PLOCAL_" + long.removeprefix("--").replace("-", "_").upper()
    help = f"{help} Default: {default}."
    return typer.Option(*names, envvar=variable, show_default=False, help=help, metavar=metavar)


def output(context: typer.Context, *, as_json: bool = False) -> Output:
    """The `Output` that `main` made for this call, told whether JSON is wanted."""
    out = context.obj
    if not isinstance(out, Output):
        raise TypeError("commands are called through main")
    if as_json:
        out.format = "json"
    return out


def load(out: Output, overrides: Mapping[str, object] | None = None) -> Loaded:
    """The settings in force, as `config.load` has them; what was not taken from ./plocal.toml is said in one line.

    Raises: InvalidInput, as `config.load`.
    """
    from pluralism_local import config

    loaded = config.load(overrides)
    for remark in remarks(loaded):
        out.note_once(f"Note: {remark}")
    return loaded


def settings_given(arguments: Mapping[str, object]) -> dict[str, object]:
    """Those of a command's arguments that are settings, for `load`: each is called as its field.

    Args:
        arguments: by name, such as a command's ``locals()``.

    Raises: InvalidInput for a mode that is none.
    """
    from pluralism_local import wiring
    from pluralism_local.settings import Settings

    settings = {name: value for name, value in arguments.items() if name in Settings.model_fields}
    mode = settings.get("mode")
    return {**settings, "mode": wiring.find_mode(mode)} if isinstance(mode, str) else settings


def remarks(loaded: Loaded) -> tuple[str, ...]:
    """What the user must know of ./plocal.toml: what of it is ignored, and that a server of it gets no key."""
    sentences = []
    if loaded.withheld is not None:
        names = " and ".join(loaded.withheld.values)
        changed = " (it changed since you trusted it)" if loaded.withheld.state == "changed" else ""
        sentences.append(
            f"{names} of ./plocal.toml ignored{changed}; see and allow it with: plocal config trust"
        )
    named_here = loaded.settings.keyless and loaded.origin["model"] == "./plocal.toml"
    if named_here and os.environ.get("PLOCAL_REMOTE_KEY"):
        sentences.append(
            "PLOCAL_REMOTE_KEY is not sent to a server that only ./plocal.toml names; -m sends it."
        )
    return tuple(sentences)


Model = Annotated[
    str | None,
    option(
        "-m",
        "--model",
        default=STARTER,
        metavar="NAME",
        help=f"The LLM that answers: starter, a path to a .gguf, an alias, hf:user/repo[:QUANT], {server_forms()}.",
    ),
]
CommunitiesModel = Annotated[
    str | None,
    option(
        "--communities-model",
        default="the LLM; a local model when the LLM is remote",
        metavar="NAME",
        help="The model that the communities run on; same names as --model.",
    ),
]
Mode = Annotated[
    str | None,
    option(
        "--mode",
        default=DEFAULT,
        metavar="MODE",
        help=f"{listed(spec.name for spec in SPECS.values() if not spec.baseline)}; or a baseline: "
        f"{', '.join(spec.name for spec in SPECS.values() if spec.baseline)}. A unique beginning is enough.",
    ),
]
PoolName = Annotated[
    str | None,
    option(
        "--pool",
        default="perspectives",
        metavar="ID|FILE",
        help="The communities to ask, and their weights.",
    ),
]
CommunityNames = Annotated[
    list[str] | None,
    option(
        "-p",
        "--community",
        default="the pool",
        metavar="ID[:SCALE]",
        help="Ask this community instead of a pool, its adapter at SCALE. Repeatable; equal weights. "
        "The variable takes several, separated by white space.",
    ),
]
Attribute = Annotated[
    str | None,
    option(
        "--attribute",
        default="none",
        metavar="TEXT",
        help=f"{steering()}: what the answer should reflect, e.g. 'rural'.",
    ),
]
AnswerOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="TEXT",
        help="An answer to weigh. Repeatable, at least two. Default: distributional reads them from a prompt "
        "that lists 'A. …', 'B. …'.  [env var: PLOCAL_OPTION, one per line]",
    ),
]
OptionOrders = Annotated[
    Orders | None,
    option(
        "--orders",
        default="rotate",
        metavar="RULE",
        help="Weigh the options at other places, too, and average: rotate puts each at every place (at most 8 orders; "
        "an ordered scale is asked from both ends), reverse asks from both ends, asked only as they stand.",
    ),
]
TakeSides = Annotated[
    bool | None,
    option(
        "--take-sides/--no-take-sides",
        default="no-take-sides",
        help="Questions of yes or no: tell each persona the side that the model's own probabilities lean to for it, "
        "compared with the others, and let it give reasons. For models whose voices all agree.",
    ),
]
System = Annotated[
    str | None,
    option("-s", "--system", default="none", metavar="TEXT", help="A system prompt for the LLM's answer."),
]
Seed = Annotated[
    int | None, option("--seed", default="0", metavar="N", help="Same seed, machine and options: same text.")
]
Temperature = Annotated[
    float | None,
    option(
        "--temperature",
        default="0 (greedy)",
        metavar="X",
        help="Of the answer. Comments are sampled at the config's comment_temperature.",
    ),
]
TopP = Annotated[
    float | None,
    option("--top-p", default="1", metavar="X", help="Of the answer: keep the smallest set of this mass."),
]
MaxTokens = Annotated[
    int | None, option("--max-tokens", default="512", metavar="N", help="New tokens of the answer at most.")
]
CommentMaxTokens = Annotated[
    int | None,
    option("--comment-max-tokens", default="200", metavar="N", help="New tokens of each comment at most."),
]
CtxSize = Annotated[
    int | None,
    option("--ctx-size", default="the model's own", metavar="N", help="Tokens of context to use."),
]
GpuLayers = Annotated[
    str | None,
    option(
        "-ngl",
        "--gpu-layers",
        default="auto",
        metavar="auto|all|N",
        help="Layers to put on a GPU, if llama.cpp was built for one.",
    ),
]
Threads = Annotated[
    int | None, option("--threads", default="the physical cores", metavar="N", help="CPU threads.")
]
Template = Annotated[
    Literal["auto", "none"] | None,
    option(
        "--template",
        default="auto",
        help="The model's own chat template, or none: questions and answers as plain text.",
    ),
]
Json = Annotated[bool, option("--json", help="One JSON object on stdout.")]
AskJson = Annotated[bool, option("--json", help="Short for --format json, and wins over --format.")]
AskFormat = Annotated[
    Literal["text", "md", "json", "jsonl"],
    option("--format", default="text", help="What stdout carries; jsonl streams events, the object last."),
]
Stream = Annotated[
    bool,
    option(
        "--stream/--no-stream",
        default="on",
        help="Write the answer as it comes, or all at once. Nothing changes for json; jsonl always streams.",
    ),
]
ReadStdin = Annotated[
    bool | None,
    option(
        "--stdin/--no-stdin",
        default="as said below",
        help="Wait for the end of stdin however long it takes, or leave it alone.",
    ),
]
ShowComments = Annotated[
    bool,
    option(
        "--show-comments", help="Whole comments, not their first words, and each community's distribution."
    ),
]
Positions = Annotated[
    bool,
    option(
        "--positions/--no-positions",
        help="overton: also show which positions the comments take, who holds them, and what the answer leaves out.",
    ),
]
Draws = Annotated[
    int,
    option(
        "--draws",
        default="0: none",
        metavar="N",
        help="overton: N comments of every community (120 in all at most), and which share of them takes which "
        "position, with 95 % intervals. --dry-run says how many comments that is.",
    ),
]
Prompts = Annotated[
    PromptChoice,
    option(
        "--prompts",
        default="auto",
        metavar="auto|own|paper",
        help="overton: paper is the published prompt; own builds the answer from the positions, with the names of who "
        "holds them, where the LLM can (no base model, nor the starter). auto is paper, but of the starter, which "
        "cannot weigh comments, it asks one sentence for each side of the question.",
    ),
]
Trace = Annotated[
    bool,
    option(
        "--trace",
        help="overton: for each sentence of the answer the comment whose words come nearest to it, with the cosine "
        "of content words (0 to 1; not of meaning).",
    ),
]
ShowThoughts = Annotated[
    bool, option("--thoughts", help="Also show what a model thought before it spoke. JSON always has it.")
]
ShowUsage = Annotated[bool, option("-u", "--usage", help="Tokens and seconds on stderr.")]
DryRun = Annotated[
    bool, option("--dry-run", help="Print the plan with its prompts and token counts; decode nothing.")
]
Samples = Annotated[
    int | None,
    option(
        "--samples",
        default="0: refuse",
        metavar="N",
        help="Where a server shows no probabilities, draw N answers and count which option each names.",
    ),
]
Offline = Annotated[
    bool | None,
    option("--offline", help="Never touch the network; a remote model must then be on this machine."),
]
Force = Annotated[
    bool,
    option("--force", help="Use adapters made for another base model; the result carries a warning."),
]
NoLog = Annotated[bool, option("-n", "--no-log", help="Keep nothing of this in the history.")]
Continue = Annotated[
    bool,
    option(
        "-c",
        "--continue",
        help="Go on with the latest conversation, in its mode and with its pool, attribute and system prompt "
        "where none are given.",
    ),
]
ConversationId = Annotated[
    str | None,
    option(
        "--conversation",
        default="a new one",
        metavar="ID",
        help="Go on with this conversation, as --continue does; the beginning of an id is enough.",
    ),
]


def pool_or_communities(pool: str | None, communities: list[str] | None) -> None:
    """Raise InvalidInput if both --pool and --community were given."""
    if pool is not None and communities:
        raise InvalidInput(
            "Both a pool and single communities were given.", "Leave out --pool or --community."
        )
