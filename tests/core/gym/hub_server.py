"""A stand-in for the hub: repositories in memory, behind the few addresses that its client asks."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
"""The commit of every branch."""
Repositories = Mapping[tuple[str, str], Mapping[str, bytes]]
"""Files of each repository id and revision."""


class Hub(ThreadingHTTPServer):
    """The server; `asked` lists the requests, `cut` the bytes after which a download breaks off."""

    def __init__(self, repositories: Repositories) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories = repositories
        self.asked: list[str] = []
        self.cut: int | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def tree(self, hub_id: str, revision: str) -> Mapping[str, bytes] | None:
        if revision == COMMIT:
            revision = next(r for known, r in self.repositories if known == hub_id)
        return self.repositories.get((hub_id, revision))


@contextmanager
def serve(repositories: Repositories) -> Iterator[Hub]:
    hub = Hub(repositories)
    thread = Thread(target=hub.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path} {self.headers.get('Range', '')}".strip())
        if found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/(revision|tree)/(.+)", path):
            self._api(*found.groups())
        elif found := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(*found.groups(), body=body)
        else:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def _api(self, hub_id: str, what: str, revision: str) -> None:
        files = self.server.tree(hub_id, revision)
        if files is None:
            known = any(hub_id == name for name, _ in self.server.repositories)
            code = "RevisionNotFound" if known else "RepoNotFound"
            self._send(404, b"{}", {"X-Error-Code": code})
        elif what == "revision":
            self._json({"id": hub_id, "sha": COMMIT, "siblings": [], "private": False})
        else:
            self._json(
                [
                    {"type": "file", "path": p, "size": len(data), "oid": _etag(data)}
                    for p, data in files.items()
                ]
            )

    def _file(self, hub_id: str, revision: str, path: str, *, body: bool) -> None:
        data = (self.server.tree(hub_id, revision) or {}).get(path)
        if data is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": revision})
            return
        headers = {"X-Repo-Commit": revision, "ETag": f'"{_etag(data)}"', "Accept-Ranges": "bytes"}
        status, start = 200, 0
        if match := re.match(r"bytes=(\d+)-", self.headers.get("Range", "")):
            status, start = 206, int(match[1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(status, data[start:], headers, body=body)

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, data: bytes, headers: Mapping[str, str], *, body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body and self.command != "HEAD":
            cut = self.server.cut
            if cut is not None and status == 200 and "ETag" in headers and len(data) > cut:
                self.server.cut = None
                self.wfile.write(data[:cut])
                self.close_connection = True
                self.connection.close()
            else:
                self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
