"""A served API within the test's own process: real sockets, a thread for the server, the scripted engine by default."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import uvicorn

from pluralism_local import config
from pluralism_local.conversation.engines import Handles
from pluralism_local.engine.base import LanguageModel
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.serve.app import Api, ServerLimits
from pluralism_local.serve.server import configured
from pluralism_local.serve.service import Service
from pluralism_local.web_access import listening
from tests.support.command_line import add_card


def settle_village(home: Path) -> None:
    """Communities of farmers, fishers and millers in a home, and pools of them."""
    folder = home / "data" / "communities"
    for id in ("farmers", "fishers", "millers"):
        add_card(home, id)
    (folder / "pools").mkdir()
    (folder / "pools" / "village.yaml").write_text(
        "name: A village\nmembers:\n"
        "  - {card: farmers, weight: 0.5}\n  - {card: fishers, weight: 0.25}\n  - {card: millers, weight: 0.25}\n"
    )
    (folder / "pools" / "coast.yaml").write_text("- {card: fishers}\n- {card: millers}\n")
    (home / "config.toml").write_text(
        'pool = "village"\nmodel = "scripted:"\nmax_tokens = 24\ncomment_max_tokens = 12\n'
    )


@dataclass(frozen=True)
class Answered:
    """What came back: status, headers in lower case, and the body's bytes."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The data of server-sent events, JSON but for ``[DONE]``."""
        lines = self.body.decode().split("\n\n")
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return [text if text == "[DONE]" else json.loads(text) for text in data]


class Served:
    """A running server.

    Attributes:
        port: on 127.0.0.1.
        api: the application.
    """

    def __init__(self, api: Api) -> None:
        self.api = api
        self._server = server = uvicorn.Server(configured(api))
        self._door = door = listening("127.0.0.1", 0)
        self.port = door.getsockname()[1]
        self._thread = threading.Thread(target=lambda: asyncio.run(server.serve([door])))

    def start(self) -> None:
        self.api.worker.start()
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()

    def end(self) -> None:
        self.api.close()
        self._server.should_exit = True
        self._thread.join()
        self._door.close()
        self.api.worker.end()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def request(self, method: str, path: str, body: object = None, **headers: str) -> Answered:
        """One request over a connection of its own; a body that is no bytes is sent as JSON."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        given = {"content-type": "application/json"} if data is not None else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, data, given)
            response = connection.getresponse()
            return Answered(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                response.read(),
            )
        finally:
            connection.close()

    def chat(self, content: str, model: str = "overton", **fields: Any) -> Answered:
        """Ask one question."""
        messages = [{"role": "user", "content": content}]
        return self.request("POST", "/v1/chat/completions", {"model": model, "messages": messages, **fields})


@contextmanager
def served(
    engine: LanguageModel | None = None,
    *,
    communities: LanguageModel | None = None,
    host: str = "127.0.0.1",
    token: str | None = None,
    origins: tuple[str, ...] = (),
    limits: ServerLimits | None = None,
    **overrides: object,
) -> Iterator[Served]:
    """A server over `engine`, with the settings of PLOCAL_HOME; closes the engine, too."""
    engine = engine or ScriptedEngine()
    settings = config.load(overrides).settings
    service = Service(settings, Handles(engine, communities or engine))
    api = Api(service, host=host, token=token, origins=origins, limits=limits or ServerLimits())
    running = Served(api)
    running.start()
    try:
        yield running
    finally:
        running.end()
        engine.close()
