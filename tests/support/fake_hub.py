"""A loopback imitation of the Hub's endpoints, with a CDN on a port of its own, and faults at will.

GET  /api/models/REPO[/revision/REV]      files, sizes, checksums, commit
HEAD, GET /REPO/resolve/REV/FILE          small files themselves; large ones redirected to the CDN
GET  CDN /SHA256                          with Range
POST /api/repos/create, /api/validate-yaml, /api/models/REPO/preupload/REV and commit/REV, REPO.git/info/lfs/…/batch
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
TOKEN = "hf_of_a_friend"


@dataclass
class Repo:
    """A repository; `state`: ``"open"``, ``"gated"`` or ``"private"`` (to all but TOKEN)."""

    files: dict[str, bytes]
    state: str = "open"
    licence: str | None = "apache-2.0"
    commit: str = COMMIT
    tags: tuple[str, ...] = ("v1",)
    listed_sha256: dict[str, str] = field(default_factory=dict)
    """What the Hub lists instead of a file's own checksum."""


@dataclass
class Seen:
    """A request: method, address, Range, and whether it had a token."""

    method: str
    where: str
    range: str | None
    token: str | None


class FakeHub:
    """The server; use it as a context manager.

    Attributes:
        repos: by name.
        cut_after: the CDN's next answers end after so many bytes each, then whole ones follow.
        status: that all answers of the API have, where not 0.
        ignores_range: the CDN always sends all.
        seen: every request.
        pushed: path -> content of the last commit.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.cut_after: list[int] = []
        self.status = 0
        self.ignores_range = False
        self.slow_bytes: int | None = None
        self.seen: list[Seen] = []
        self.pushed: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self._servers: list[ThreadingHTTPServer] = []
        self.gate = threading.Event()

    def __enter__(self) -> FakeHub:
        for kind in (_Api, _Cdn):
            handler = type(kind.__name__, (kind,), {"hub": self})
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._servers.append(server)
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._servers[0].server_address[1]}"

    @property
    def cdn(self) -> str:
        """Another origin, where no token may go."""
        return f"http://127.0.0.1:{self._servers[1].server_address[1]}"

    def content(self, sha256: str) -> bytes | None:
        """A file of any repository, or one that was pushed, by the checksum that the Hub lists."""
        for repo in self.repos.values():
            for name, data in repo.files.items():
                if sha_of(repo, name) == sha256:
                    return data
        return self.blobs.get(sha256)


def sha_of(repo: Repo, name: str) -> str:
    """The checksum that the Hub lists."""
    return repo.listed_sha256.get(name) or hashlib.sha256(repo.files[name]).hexdigest()


def is_large(name: str) -> bool:
    """Whether the Hub keeps a file outside of Git."""
    return name.endswith((".gguf", ".safetensors", ".bin"))


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        return

    def note(self) -> None:
        self.hub.seen.append(
            Seen(self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization"))
        )

    def answer(self, status: int, body: bytes = b"", /, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value: Any, status: int = 200) -> None:
        self.answer(status, json.dumps(value).encode(), Content_Type="application/json")


class _Api(_Handler):
    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.note()
        path = unquote(urlsplit(self.path).path)
        if self.hub.status:
            self.answer(self.hub.status)
            return
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            if repo := self._open(match[1], match[2]):
                self.json(_listing(match[1], repo))
            return
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            if repo := self._open(match[1], match[2]):
                self._file(repo, match[3])
            return
        self.answer(404)

    def _open(self, name: str, revision: str | None) -> Repo | None:
        """The repository, if whoever asks may see it; else the answer is given."""
        repo = self.hub.repos.get(name)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token and token != TOKEN:
            self.answer(401, X_Error_Message="Invalid credentials in Authorization header")
        elif repo is None or (repo.state == "private" and not token):
            self.answer(
                404 if token else 401, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found"
            )
        elif revision not in (None, "main", repo.commit, *repo.tags):
            self.answer(404, X_Error_Code="RevisionNotFound", X_Error_Message="Invalid rev id")
        elif repo.state == "gated" and "/resolve/" in self.path:
            self.answer(
                403 if token else 401, X_Error_Code="GatedRepo", X_Error_Message="Access is restricted"
            )
        else:
            return repo
        return None

    def _file(self, repo: Repo, name: str) -> None:
        if name not in repo.files:
            self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=repo.commit)
            return
        data = repo.files[name]
        common = {"X_Repo_Commit": repo.commit}
        if is_large(name):
            sha256 = sha_of(repo, name)
            self.answer(
                302,
                b"",
                Location=f"{self.hub.cdn}/{sha256}",
                X_Linked_Etag=f'"{sha256}"',
                X_Linked_Size=str(len(data)),
                **common,
            )
            return
        self.answer(200, data, ETag=f'"{_git_id(data)}"', **common)

    def do_POST(self) -> None:
        self.note()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.hub.repos.setdefault(name, Repo({}, _visibility(asked)))
            self.json({"url": f"{self.hub.url}/{name}", "name": name, "id": name})
        elif path == "/api/validate-yaml":
            self.json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            asked = json.loads(body)["files"]
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if is_large(file["path"]) else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in asked
            ]
            self.json({"files": modes})
        elif path.endswith("/info/lfs/objects/batch"):
            asked = json.loads(body)
            objects = [
                {
                    **entry,
                    "actions": {"upload": {"href": f"{self.hub.cdn}/upload/{entry['oid']}", "header": {}}},
                }
                for entry in asked["objects"]
            ]
            self.json({"transfer": "basic", "objects": objects})
        elif "/commit/" in path:
            repo = path.removeprefix("/api/models/").partition("/commit/")[0]
            self._commit(repo, [json.loads(line) for line in body.splitlines()])
        else:
            self.answer(404)

    def _commit(self, repo: str, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            value = entry["value"]
            if entry["key"] == "file":
                self.hub.pushed[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.hub.pushed[value["path"]] = self.hub.blobs[value["oid"]]
        self.json(
            {"commitUrl": f"{self.hub.url}/{repo}/commit/{COMMIT}", "commitOid": COMMIT, "success": True}
        )


class _Cdn(_Handler):
    def do_GET(self) -> None:
        self.note()
        data = self.hub.content(self.path.removeprefix("/"))
        if data is None:
            self.answer(404)
            return
        start = 0
        asked = self.headers.get("Range")
        if asked and not self.hub.ignores_range:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        rest = data[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if self.hub.slow_bytes is not None:
            self.wfile.write(rest[: self.hub.slow_bytes])
            self.wfile.flush()
            self.hub.gate.wait(60)
            self.close_connection = True
        elif self.hub.cut_after:
            self.wfile.write(rest[: self.hub.cut_after.pop(0)])
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
        else:
            self.wfile.write(rest)

    def do_PUT(self) -> None:
        self.note()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.blobs[self.path.rpartition("/")[2]] = body
        self.answer(200)


def _listing(name: str, repo: Repo) -> dict[str, Any]:
    siblings = []
    for file, data in repo.files.items():
        entry: dict[str, Any] = {"rfilename": file, "size": len(data), "blobId": _git_id(data)}
        if is_large(file):
            entry["lfs"] = {"sha256": sha_of(repo, file), "size": len(data), "pointerSize": 134}
        siblings.append(entry)
    card = {"license": repo.licence} if repo.licence else {}
    return {
        "id": name,
        "modelId": name,
        "sha": repo.commit,
        "private": repo.state == "private",
        "gated": "auto" if repo.state == "gated" else False,
        "siblings": siblings,
        "tags": [],
        "cardData": card,
    }


def _git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _visibility(asked: dict[str, Any]) -> str:
    """The state of a new repository; clients say it in one of two ways."""
    return "private" if asked.get("private") or asked.get("visibility") == "private" else "open"
