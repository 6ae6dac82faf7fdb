"""A server that keeps the headers it gets."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer


class Listener(HTTPServer):
    """A server on this machine that answers nothing and keeps the headers of every request."""

    def __init__(self) -> None:
        heard: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(dict(self.headers))
                self.send_error(401)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.heard = heard
        self.model = f"remote:http://127.0.0.1:{self.server_port}/v1#m"
