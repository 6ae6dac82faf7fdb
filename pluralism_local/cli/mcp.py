"""`plocal mcp`: the modes as tools for agents, on standard input and output.

options ──> engines ──> serve.Service ──> serve.tools, until the agent closes its end
"""

from __future__ import annotations

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.serve import not_installed, opened
from pluralism_local.serve.words import TOOLS

EPILOG = """
\b
An agent starts it by itself; for one that reads mcpServers, put this into its settings:
  {"mcpServers": {"plocal": {"command": "plocal", "args": ["mcp", "-m", "starter"]}}}

\b
Tools: ask, list_communities, list_pools. Nothing that is asked here goes into the history.
"""


def mcp(
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
) -> None:
    """Offer the modes to agents as tools of the Model Context Protocol, on standard input and output."""
    out = options.output(context)
    options.pool_or_communities(pool, community)
    overrides = options.settings_given(locals())
    settings = options.load(out, overrides).settings
    try:
        from pluralism_local.serve import tools
    except ImportError as error:
        raise not_installed(error) from error
    local = wiring.local_default(overrides)
    with opened(
        out, settings, community or [], communities_model, local, force=force, words=TOOLS
    ) as service:
        tools.run(service)
