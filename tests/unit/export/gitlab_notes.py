"""A server that plays GitLab's API for the notes of one merge request, as its documentation has it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

NOTES = "/api/v4/projects/12/merge_requests/7/notes"
PAGE = 100


class GitLab(ThreadingHTTPServer):
    """Notes of one merge request, as GitLab's documentation of its notes API has it.

    Lists are pages, `x-next-page` names the next one and is empty on the last; a note is changed by who wrote it.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.tokens = {"glpat-bot": 9, "glpat-ada": 4}
        self.notes: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.lost: set[int] = set()

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/v4"

    def add(self, author: int, body: str) -> int:
        number = 1000 + len(self.notes)
        self.notes.append({"id": number, "body": body, "system": False, "author": {"id": author, "username": "x"}})
        return number

    def bodies(self) -> list[str]:
        return [str(one["body"]) for one in self.notes]


class Asked(BaseHTTPRequestHandler):
    server: GitLab

    def _answer(self, code: int, found: Any, **headers: str) -> None:
        data = json.dumps(found).encode()
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        asked, gitlab = urlsplit(self.path), self.server
        gitlab.calls.append(f"{self.command} {asked.path}")
        who = gitlab.tokens.get(self.headers.get("PRIVATE-TOKEN", ""))
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length))["body"] if length else ""
        if who is None:
            self._answer(401, {"message": "401 Unauthorized"})
        elif (self.command, asked.path) == ("GET", "/api/v4/user"):
            self._answer(200, {"id": who, "username": "x"})
        elif (self.command, asked.path) == ("GET", NOTES):
            told = {name: one[0] for name, one in parse_qs(asked.query).items()}
            assert (told["sort"], told["order_by"]) == ("desc", "created_at")
            size, page = min(int(told["per_page"]), PAGE), int(told["page"])
            newest = gitlab.notes[::-1]
            more = str(page + 1) if page * size < len(newest) else ""
            self._answer(200, newest[(page - 1) * size : page * size], x_next_page=more)
        elif (self.command, asked.path) == ("POST", NOTES):
            self._answer(201, {"id": gitlab.add(who, body)})
        else:
            number = int(asked.path.removeprefix(f"{NOTES}/"))
            (note,) = [one for one in gitlab.notes if one["id"] == number]
            if number in gitlab.lost:
                self._answer(404, {"message": "404 Note Not Found"})
            elif note["author"]["id"] != who:
                self._answer(403, {"message": "403 Forbidden"})
            else:
                note["body"] = body
                self._answer(200, note)

    do_POST = do_PUT = do_GET

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@contextmanager
def gitlab() -> Iterator[GitLab]:
    """It answers while this holds."""
    server = GitLab()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
