"""`plocal serve`: the modes for chat programs and scripts, as an OpenAI-compatible server.

options ──> engines ──> serve.Service ──> serve.server, until Ctrl-C
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.output import Output
from pluralism_local.errors import NotFound
from pluralism_local.serve.words import CHAT_COMPLETIONS

if TYPE_CHECKING:
    from pluralism_local.serve.service import Service
    from pluralism_local.settings import Settings

EPILOG = """
\b
Examples:
  plocal serve                                      at http://127.0.0.1:8642/v1
  plocal serve -m model.gguf --pool cultures --port 9000
  PLOCAL_TOKEN=… plocal serve --host 0.0.0.0        for others, who need the token as API key

\b
Then, for example:
  curl http://127.0.0.1:8642/v1/models
  curl http://127.0.0.1:8642/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{"model": "overton", "messages": [{"role": "user", "content": "Is tipping fair?"}]}'

\b
Nothing that is asked here goes into the history. docs/serve.md says what requests may hold.
"""

PORT = 8642

Host = Annotated[
    str,
    typer.Option(
        "--host", metavar="ADDRESS", show_default=False,
        help="Listen here. Anything but this machine needs a token. Default: 127.0.0.1.",
    ),
]  # fmt: skip
Port = Annotated[
    int,
    typer.Option(
        "--port", min=0, max=65535, metavar="N", show_default=False, help=f"0: a free one. Default: {PORT}."
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", metavar="TEXT", envvar="PLOCAL_TOKEN", show_default=False,
        help="What clients must show as their API key, 16 characters or more. Every user of this machine sees it in "
        "the list of processes; PLOCAL_TOKEN in the environment nobody else sees. Default: none, for this machine.",
    ),
]  # fmt: skip
Origins = Annotated[
    list[str] | None,
    typer.Option(
        "--origin", metavar="URL", show_default=False,
        help="Let pages of this site use the server, such as http://localhost:3000. Repeatable. Default: none.",
    ),
]  # fmt: skip
Waiting = Annotated[
    int,
    typer.Option(
        "--queue", min=1, max=1024, metavar="N", show_default=False,
        help="Requests that wait at most; one more is told to come again later. Default: 32.",
    ),
]  # fmt: skip
Largest = Annotated[
    int,
    typer.Option(
        "--max-request", min=1024, max=2**28, metavar="BYTES", show_default=False,
        help="Of one request at most. Default: 1048576.",
    ),
]  # fmt: skip


Kept = Annotated[
    int | None,
    typer.Option(
        "--kept-mb", min=1, max=2**20, metavar="MB", show_default=False,
        help="Memory for what conversations go on from, of each model. What does not fit is read again. Default: a "
        "sixteenth of this machine's, 64 to 512.",
    ),
]  # fmt: skip


def serve(
    context: typer.Context,
    model: options.Model = None,
    communities_model: options.CommunitiesModel = None,
    pool: options.PoolName = None,
    community: options.CommunityNames = None,
    orders: options.OptionOrders = None,
    take_sides: options.TakeSides = None,
    seed: options.Seed = None,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    max_tokens: options.MaxTokens = None,
    comment_max_tokens: options.CommentMaxTokens = None,
    ctx_size: options.CtxSize = None,
    gpu_layers: options.GpuLayers = None,
    threads: options.Threads = None,
    template: options.Template = None,
    samples: options.Samples = None,
    offline: options.Offline = None,
    force: options.Force = False,
    host: Host = "127.0.0.1",
    port: Port = PORT,
    token: Token = None,
    origin: Origins = None,
    queue: Waiting = 32,
    max_request: Largest = 2**20,
    kept_mb: Kept = None,
) -> None:
    """Serve the modes to other programs, in the protocol of OpenAI's chat completions.

    Each mode is a model of its name, and each mode with a pool one such as overton:cultures. Requests are answered one
    after the other, clients taking turns; temperature, tokens and seed are what a request does not say.
    """
    from pluralism_local.web_access import check_offline, check_origins, token_for

    out = options.output(context)
    options.pool_or_communities(pool, community)
    overrides = options.settings_given(locals())
    settings = options.load(out, overrides).settings
    try:
        from pluralism_local.serve import server
        from pluralism_local.serve.app import ServerLimits
    except ImportError as error:
        raise not_installed(error) from error
    if settings.offline:
        check_offline(host, server.NAME)
    token_for(host, token, server.NAME)  # before a model is loaded
    check_origins(origin or [])
    local = wiring.local_default(overrides)
    kept_bytes = None if kept_mb is None else kept_mb * 2**20
    with opened(
        out, settings, community or [], communities_model, local, force=force, kept_bytes=kept_bytes
    ) as service:
        server.serve(
            service,
            host=host,
            port=port,
            token=token,
            origins=origin or [],
            limits=ServerLimits(queue, max_request),
            tell=out.note,
        )


@contextmanager
def opened(
    out: Output,
    settings: Settings,
    communities: list[str],
    communities_model: str | None,
    default_local: str,
    *,
    force: bool,
    kept_bytes: int | None = None,
    words: Mapping[str, str] = CHAT_COMPLETIONS,
) -> Iterator[Service]:
    """The service of the model and the pool that options and settings name; closes the engines.

    `kept_bytes` as for `wiring.open_engine`, `words` as for `Service`.
    """
    from pluralism_local.conversation.engines import open_handles
    from pluralism_local.serve.service import Service

    with open_handles(
        settings,
        communities=communities_model,
        default_local=default_local,
        needed=True,
        status=out.status,
        opener=partial(wiring.open_engine, kept_bytes=kept_bytes),
    ) as handles:
        service = Service(settings, handles, communities=communities, force=force, words=words)
        out.clear_status()
        yield service


def not_installed(error: ImportError) -> NotFound:
    """What to install, if a package of the extra is missing; any other failure of an import is a bug."""
    if (error.name or "").partition(".")[0] == "pluralism_local":
        raise error
    return NotFound(
        f"Serving other programs needs {(error.name or 'a package').partition('.')[0]}, which is not installed.",
        "pip install 'pluralism-local[serve]'",
    )
