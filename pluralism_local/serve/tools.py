"""The modes as tools for agents: a server of the Model Context Protocol on standard input and output.

    agent ──JSON-RPC, a line each──> ask, list_communities, list_pools ──EngineThread──> Service ──> modes.run

Standard output belongs to the protocol: everything else goes to standard error. An agent that cancels a call stops it;
one that closes the connection ends the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from pluralism_local import __version__
from pluralism_local.errors import PlocalError
from pluralism_local.mode_specs import DEFAULT, SPECS, ModeName
from pluralism_local.progress import DrawsProgress
from pluralism_local.records import to_record
from pluralism_local.results import CommentDone, CommentStarted, Result
from pluralism_local.serve.queue import ChatJob, EngineThread, FairQueue
from pluralism_local.serve.replies import Rejected, problem, why_no_answer
from pluralism_local.serve.requests import ChatRequest
from pluralism_local.serve.service import Service

WAITING = 8
"""Calls that may wait at once; an agent makes few."""

AGENT = "agent"

_INSTRUCTIONS = (
    "Asks a language model on this machine together with communities of people: adapters and personas of political "
    "perspectives, continents and others. Answers and shares are a model's estimates and speak for no real person or "
    "population."
)
_ASK = "Ask a question and get one answer and what each community commented. Modes: " + "; ".join(
    f"{spec.name} ({spec.about})" for spec in SPECS.values()
)
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)


def run(service: Service) -> None:
    """Serve an agent on standard input and output until it closes them."""
    queue = FairQueue(WAITING)
    worker = EngineThread(service, queue)
    worker.start()
    try:
        asyncio.run(build(service, queue).run_stdio_async())
    finally:
        worker.end()


def build(service: Service, queue: FairQueue) -> MCPServer[None]:
    """The server with its tools, whose questions go into `queue`."""
    server: MCPServer[None] = MCPServer(
        "plocal", version=__version__, instructions=_INSTRUCTIONS, log_level="ERROR"
    )

    @server.tool(description=_ASK, annotations=_READS)
    async def ask(
        question: str,
        context: Context[Any, Any],
        mode: ModeName = DEFAULT,
        pool: str | None = None,
        attribute: str | None = None,
        options: list[str] | None = None,
        draws: int = 0,
    ) -> dict[str, Any]:
        """Ask; `pool` is an id of list_pools, `attribute` what steerable steers towards, `options` 2 to 26 answers.

        With `draws`, 2 or more, overton draws so many comments of each community and counts their positions.
        """
        try:
            request = service.question(
                question,
                mode=mode,
                pool=pool,
                attribute=attribute,
                options=tuple(options or ()),
                draws=draws,
            )
            return _told(await _result(queue, request, context.report_progress))
        except (PlocalError, Rejected) as error:
            raise ToolError(problem(error)[1]["error"]["message"]) from error

    @server.tool(
        description="The communities that can be asked, and whom each speaks for.", annotations=_READS
    )
    async def list_communities() -> list[dict[str, Any]]:
        """Id, name and description of each."""
        return [
            {"id": community.id, "name": community.name, "description": community.description}
            for community in service.communities
        ]

    @server.tool(description="The pools of communities that can be asked, with weights.", annotations=_READS)
    async def list_pools() -> list[dict[str, Any]]:
        """Id, name, description and members of each; the weights of a pool sum to 1."""
        return [
            {
                "id": pool.id,
                "name": pool.name,
                "description": pool.description,
                "communities": [
                    {"id": member.community.id, "weight": member.weight} for member in pool.members
                ],
            }
            for pool in service.pools
        ]

    return server


async def _result(queue: FairQueue, request: ChatRequest, progress: Callable[..., Awaitable[None]]) -> Result:
    """The result of a request; cancelling ends it.

    Raises:
        PlocalError, Rejected: as the mode or the queue do.
    """
    job = ChatJob(AGENT, request)
    queue.put(job)
    started = done = 0
    try:
        while True:
            event = await job.events.get()
            if isinstance(event, Exception):
                raise event
            if isinstance(event, Result):
                return event
            started += isinstance(event, CommentStarted)
            done += isinstance(event, CommentDone)
            if isinstance(event, CommentDone):
                await progress(done, started, f"{event.comment.community} has commented")
            elif isinstance(event, DrawsProgress):
                await progress(started + event.done, started + event.total, event.line)
    finally:
        job.left.set()
        queue.drop(job)


def _told(result: Result) -> dict[str, Any]:
    """What an agent is given of a result.

    Raises:
        ToolError: there is no answer.
    """
    if reason := why_no_answer(result):
        raise ToolError(reason)
    record = to_record(result)
    return {
        "answer": result.answer,
        "mode": result.mode,
        "pool": result.pool,
        "comments": [
            {"community": comment.community, "text": comment.text, "weight": comment.weight}
            for comment in result.comments
        ],
        "selection": record["selection"],
        "distribution": record["distribution"],
        "draws": record["draws"],
        "complete": result.complete,
        "warnings": list(result.warnings),
        "model": result.llm.id,
    }
