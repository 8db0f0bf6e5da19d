"""A hub on a loopback port that speaks what huggingface_hub's client asks, with faults that can be switched on.

Repositories hold commits, commits hold files; large files go through the LFS batch API to a storage path of their own, and
are answered with a redirect there, as the real hub does with its CDN.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["Hub", "hub_server"]

TOKEN = "hf_test"
_LARGE = (".gguf",)
_API = re.compile(
    r"/api/models/(?P<repository>[^/]+/[^/]+)(?:/(?P<verb>revision|preupload|commit)/(?P<revision>.+))?"
)
_RESOLVE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
_BATCH = re.compile(r"/(?P<repository>[^/]+/[^/]+)\.git/info/lfs/objects/batch")
_STORAGE = re.compile(r"/storage/(?P<sha256>[0-9a-f]{64})")


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Repository:
    """Commits by their hash, and what branches and tags point to."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, files: dict[str, bytes], message: str = "") -> str:
        """Add files on top of main and return the commit."""
        parent = self.refs.get("main", "")
        whole = {**self.commits.get(parent, {}), **files}
        named = json.dumps([parent, message, sorted((name, _git_hash(one)) for name, one in whole.items())])
        commit = hashlib.sha1(named.encode()).hexdigest()
        self.commits[commit] = whole
        self.refs["main"] = commit
        self.messages.append(message)
        return commit


@dataclass
class Hub:
    """The server's state: what it holds, what it was asked, and which faults are on."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # "GET /path", in order
    ranges: list[str] = field(default_factory=list)  # Range headers of requests for large files
    refuse: dict[str, int] = field(default_factory=dict)  # start of a path -> status
    retry_after: str = "7"
    hosts: dict[str, set[str]] = field(default_factory=dict)  # start of a path -> hosts it was asked at
    tokens: dict[str, set[str]] = field(
        default_factory=dict
    )  # start of a path -> Authorization it was asked with
    cuts: int = 0  # answers for large files that end early
    cut_at: float = 0.5  # the share of what was asked that comes then
    wrong: bool = False  # large files come with a byte changed
    claims: dict[str, int] = field(default_factory=dict)  # file -> size that the hub states

    def repository(self, name: str) -> Repository:
        """Return a repository, made when it is not there."""
        return self.repositories.setdefault(name, Repository())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: what was asked is in the hub's list."""

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        start = "/" + path.split("/")[1]
        self.hub.hosts.setdefault(start, set()).add(self.headers.get("Host", ""))
        self.hub.tokens.setdefault(start, set()).add(self.headers.get("Authorization", ""))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        for start, status in self.hub.refuse.items():
            if path.startswith(start):
                more = {"Retry-After": self.hub.retry_after} if status == 429 else {}
                return self._send(status, b'{"error": "refused"}', more)
        if found := _STORAGE.fullmatch(path):
            return self._storage(found["sha256"], body)
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if found := _BATCH.fullmatch(path):
            return self._batch(json.loads(body))
        for pattern, answer in ((_API, self._api), (_RESOLVE, self._resolve)):
            if found := pattern.fullmatch(path):
                name = found["repository"]
                repository = self.hub.repositories.get(name)
                if repository is None or (repository.private and not self._known()):
                    # the real hub does not tell strangers which of the two it is
                    return self._send(404 if self._known() else 401, b"{}", {"X-Error-Code": "RepoNotFound"})
                return answer(repository, found, body)
        return self._send(404, b"{}")

    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _api(self, repository: Repository, found: re.Match[str], body: bytes) -> None:
        name, verb, revision = found["repository"], found["verb"], found["revision"] or "main"
        if verb in ("preupload", "commit") and not self._known():
            return self._send(401, b'{"error": "Invalid username or password."}')
        if verb == "preupload":
            modes = [
                {"path": one["path"], "uploadMode": "lfs" if one["path"].endswith(_LARGE) else "regular"}
                for one in json.loads(body)["files"]
            ]
            return self._json({"files": [{**one, "shouldIgnore": False} for one in modes]})
        if verb == "commit":
            return self._commit(name, repository, body)
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            return self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        files = [self._sibling(one, content, blobs) for one, content in repository.commits[commit].items()]
        return self._json({"id": name, "modelId": name, "sha": commit, "private": False, "siblings": files})

    def _sibling(self, file: str, content: bytes, blobs: bool) -> dict[str, object]:
        if not blobs:
            return {"rfilename": file}
        size = self.hub.claims.get(file, len(content))
        told: dict[str, object] = {"rfilename": file, "size": size, "blobId": _git_hash(content)}
        if file.endswith(_LARGE):
            told["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": size, "pointerSize": 134}
        return told

    def _commit(self, name: str, repository: Repository, body: bytes) -> None:
        files: dict[str, bytes] = {}
        message = ""
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                message = value["summary"]
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
        commit = repository.commit(files, message)
        url = f"{self.hub.url}/{name}/commit/{commit}"
        self._json({"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

    def _create(self, wanted: dict[str, str]) -> None:
        if not self._known():
            return self._send(401, b'{"error": "Invalid username or password."}')
        name = f"{wanted['organization']}/{wanted['name']}"
        if name in self.hub.repositories:
            there = {"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"}
            return self._send(409, json.dumps(there).encode())
        private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
        self.hub.repositories[name] = Repository(private)
        return self._json({"url": f"{self.hub.url}/{name}", "name": name})

    def _batch(self, wanted: dict[str, list[dict[str, object]]]) -> None:
        objects = [
            {
                "oid": one["oid"],
                "size": one["size"],
                **(
                    {}
                    if one["oid"] in self.hub.stored
                    else {"actions": {"upload": {"href": f"{self.hub.url}/storage/{one['oid']}"}}}
                ),
            }
            for one in wanted["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _resolve(self, repository: Repository, found: re.Match[str], body: bytes) -> None:
        commit = repository.refs.get(found["revision"], found["revision"])
        if commit not in repository.commits:
            return self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        content = repository.commits[commit].get(found["file"])
        if content is None:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        if not found["file"].endswith(_LARGE):
            return self._send(200, content, {"ETag": f'"{_git_hash(content)}"', "X-Repo-Commit": commit})
        sha256 = hashlib.sha256(content).hexdigest()
        self.hub.stored[sha256] = content
        headers = {
            "X-Repo-Commit": commit,
            "X-Linked-Etag": f'"{sha256}"',
            "X-Linked-Size": str(len(content)),
            # another host than the hub's: the client must not follow it with HEAD, nor send its token there
            "Location": f"{self.hub.url.replace('127.0.0.1', 'localhost')}/storage/{sha256}",
        }
        return self._send(302, b"", headers)

    def _storage(self, sha256: str, body: bytes) -> None:
        if self.command == "PUT":
            if hashlib.sha256(body).hexdigest() != sha256:
                return self._send(400, b"")
            self.hub.stored[sha256] = body
            return self._send(200, b"")
        content = self.hub.stored[sha256]
        if self.hub.wrong:
            content = content[:-1] + bytes([content[-1] ^ 1])
        asked = self.headers.get("Range", "")
        self.hub.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        part = content[start:]
        more = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if asked else {}
        if self.hub.cuts > 0:
            self.hub.cuts -= 1
            return self._cut(part, more)
        return self._send(206 if asked else 200, part, more)

    def _cut(self, content: bytes, headers: dict[str, str]) -> None:
        self._head(206 if headers else 200, len(content), headers)
        self.wfile.write(content[: int(len(content) * self.hub.cut_at)])
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _json(self, values: object) -> None:
        self._send(200, json.dumps(values).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, len(content), headers or {})
        if self.command != "HEAD":
            self.wfile.write(content)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Run a hub until the end of the block."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
