"""Hadoop's file system by WebHDFS: a session of fsspec's, and what it lacks: reads and writes outlive a DataNode.

The NameNode answers where, a DataNode answers the bytes. A DataNode that breaks off or refuses is left out of what is
asked next (`excludedatanodes`), for a minute; a read goes on at the same byte at another replica.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from fairlead.contract.errors import MissingExtra, UsageError

PORT = 9870
BLOCK = 1 << 20
LISTING_LIMIT = 64 << 20
_LEFT_OUT_S = 60.0
_OPTIONS = ("user", "token", "kerberos", "https", "replication", "blocksize")
_PAUSE_S = 0.2


class Body(Protocol):
    """What is sent: its number of bytes, and they themselves, from the first again each time."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...


class Hadoop:
    """One Hadoop cluster, by the HTTP address of its NameNode (or of an HttpFS gateway).

    place: host:port/path?options, a user before the host; options: user, token (a delegation token), kerberos, https,
    replication, blocksize. Errors: FileNotFoundError, PermissionError, FileExistsError, OSError; `passing` tells which
    may be over at the next attempt. Raises UsageError for an option that is none, MissingExtra.
    """

    def __init__(self, place: str, *, timeout_s: float = 30.0, attempts: int = 4) -> None:
        try:
            parts = urlsplit(f"hdfs://{place}")
            host, port = parts.hostname, parts.port or PORT
        except ValueError:
            host = None
        if not host:
            raise UsageError("an address of Hadoop names its NameNode's host and port, as hdfs://namenode:9870/folder.")
        options = dict(parse_qsl(parts.query))
        if unknown := sorted(set(options) - set(_OPTIONS)):
            raise UsageError(f"hdfs://{host}: unknown option {unknown[0]}. Known: {', '.join(_OPTIONS)}.")
        self.path = unquote(parts.path).rstrip("/")
        self._written = {name: options[name] for name in ("replication", "blocksize") if name in options}
        self._times, self.attempts = (min(timeout_s, 10.0), timeout_s), attempts
        self._left_out: dict[str, float] = {}
        self._nodes: dict[str, str] = {}
        self.node = ""  # the DataNode that was spoken to last, as host:port
        try:
            from fsspec.implementations.webhdfs import WebHDFS
        except ModuleNotFoundError as missing:
            raise MissingExtra(missing.name or "fsspec", "clouds") from None
        self._web: Any = WebHDFS(
            host, port, token=options.get("token"),
            user=unquote(parts.username) if parts.username else options.get("user"),
            password=unquote(parts.password) if parts.password else None,
            kerberos=options.get("kerberos") == "true", use_https=options.get("https") == "true",
            skip_instance_cache=True,
        )  # fmt: skip

    def info(self, path: str) -> dict[str, Any]:
        """type (file or directory), size in bytes, mtime in milliseconds, etag, of one path."""
        return _about(self._json("get", "GETFILESTATUS", path)["FileStatus"])

    def listing(self, path: str) -> list[dict[str, Any]]:
        """`info` of what lies in a folder, with `name`. A NameNode tells a folder at once: at most 64 MiB of it."""
        answer = self._ask("get", "LISTSTATUS", path, stream=True)
        with answer:
            body = bytearray()
            for block in answer.iter_content(BLOCK):
                body += block
                if len(body) > LISTING_LIMIT:
                    raise OSError(f"a folder of more than {LISTING_LIMIT >> 20} MiB of names")
        import msgspec

        found = msgspec.json.decode(body)["FileStatuses"]["FileStatus"]
        return [{**_about(one), "name": one["pathSuffix"]} for one in found]

    def open(self, path: str, mode: str = "rb") -> Reading:
        """A file to be read from its beginning, as `io` has them; it goes on where a DataNode broke off."""
        return Reading(self.blocks(path))

    def blocks(self, path: str) -> Iterator[bytes]:
        """All bytes of a file. Raises OSError if it is written anew meanwhile."""
        about = self.info(path)
        done, failed = 0, 0
        while done < about["size"]:
            try:
                if done and self.info(path)["etag"] != about["etag"]:
                    raise FileExistsError("the file was written anew while it was read")
                for block in self.part(path, done):
                    done, failed = done + len(block), 0
                    yield block
                if done < about["size"]:
                    raise ConnectionError("the bytes ended too early")
            except Exception as error:
                failed += 1
                if failed >= self.attempts or not self.passing(error):
                    raise
                time.sleep(_PAUSE_S * 2**failed)

    def part(self, path: str, start: int) -> Iterator[bytes]:
        """The bytes from `start` on, by one connection. A DataNode that fails is left out from then on."""
        opened = self._at_data("get", "OPEN", path, offset=start)
        with opened as (location, send), send(location, stream=True) as answer:
            yield from answer.iter_content(BLOCK)

    def create(self, path: str, body: Body) -> None:
        """Write a new file. What is left of it if this fails is neither whole nor closed."""
        with self._at_data("put", "CREATE", path, overwrite="true", **self._written) as (location, send):
            send(location, data=body)

    def append(self, path: str, body: Body) -> None:
        """Write behind the end of a file that nobody else writes to."""
        with self._at_data("post", "APPEND", path) as (location, send):
            send(location, data=body)

    def rename(self, path: str, to: str, *, replace: bool) -> None:
        """Give a file another name at one instant. Raises FileExistsError where that is taken and is not replaced."""
        option = "OVERWRITE" if replace else "NONE"
        self._ask("put", "RENAME", path, destination=to, renameoptions=option).close()

    def make_folder(self, path: str) -> None:
        """The folder and those above it."""
        self._ask("put", "MKDIRS", path).close()

    def remove(self, path: str) -> bool:
        """Remove a file, or an empty folder; False where there was none."""
        return bool(self._json("delete", "DELETE", path, recursive="false")["boolean"])

    def note(self, path: str, name: str, value: str) -> None:
        """An attribute of a file, in place of the one it had."""
        flag = "REPLACE" if name in self._noted(path) else "CREATE"
        arguments: dict[str, Any] = {"xattr.name": f"user.{name}", "xattr.value": f'"{value}"', "flag": flag}
        self._ask("put", "SETXATTR", path, **arguments).close()

    def noted(self, path: str, name: str) -> str:
        """An attribute of a file, "" if it has none of that name."""
        return self._noted(path).get(name, "")

    def _noted(self, path: str) -> dict[str, str]:
        found = self._json("get", "GETXATTRS", path, encoding="TEXT")["XAttrs"]
        return {one["name"].removeprefix("user."): str(one["value"]).strip('"') for one in found}

    def close(self) -> None:
        """Let go of connections."""
        self._web.session.close()

    @staticmethod
    def passing(error: Exception) -> bool:
        """Whether what failed so may do at another attempt: connections, and what a NameNode says of DataNodes."""
        import requests

        return isinstance(error, ConnectionError | TimeoutError | requests.RequestException | Passing)

    def _json(self, method: str, op: str, path: str, **arguments: Any) -> dict[str, Any]:
        with self._ask(method, op, path, **arguments) as answer:
            found: dict[str, Any] = answer.json()
            return found

    def _ask(self, method: str, op: str, path: str, *, stream: bool = False, **arguments: Any) -> Any:
        url = f"{self._web.url}{quote(path or '/', safe='/')}"
        answer = self._web.session.request(
            method, url, params={**arguments, **self._web.pars, "op": op}, allow_redirects=False, stream=stream,
            timeout=self._times,
        )  # fmt: skip
        _check(answer)
        return answer

    @contextmanager
    def _at_data(self, method: str, op: str, path: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Where the bytes go or come from, and how to speak there; whoever fails there is left out next time."""
        now = time.monotonic()
        self._left_out = {node: until for node, until in self._left_out.items() if until > now}
        if self._left_out:
            arguments["excludedatanodes"] = ",".join(self._left_out)
        try:
            with self._ask(method, op, path, **arguments) as answer:
                location = answer.headers.get("Location")
        except Passing:
            # All replicas are left out: better one that was bad a moment ago than none.
            self._left_out = {}
            raise
        if not location:
            raise OSError(f"the NameNode says no DataNode for {op}")

        self.node = urlsplit(location).netloc

        def send(url: str, **options: Any) -> Any:
            kinds = {"content-type": "application/octet-stream"} if "data" in options else {}
            sent = self._web.session.request(
                method, url, headers=kinds, timeout=self._times, allow_redirects=False, **options
            )
            _check(sent)
            return sent

        try:
            yield self._web._apply_proxy(location), send
        except Exception as error:
            if self.passing(error):
                self._left_out[self._named(urlsplit(location))] = now + _LEFT_OUT_S
            raise

    def _named(self, location: Any) -> str:
        """A DataNode as a NameNode knows it: by the port that blocks go through, which its redirect does not tell."""
        with suppress(Exception):
            if location.netloc not in self._nodes:
                root = self._web.url.removesuffix("/webhdfs/v1")
                asked = {"qry": "Hadoop:service=NameNode,name=NameNodeInfo"}
                answer = self._web.session.get(f"{root}/jmx", params=asked, timeout=self._times)
                import msgspec

                nodes = msgspec.json.decode(answer.json()["beans"][0]["LiveNodes"]).values()
                self._nodes = {one["infoAddr"]: one["xferaddr"] for one in nodes}
        return self._nodes.get(location.netloc, str(location.hostname))


class Reading:
    """A file that is being read, in the form of `io`: `read(n)`, and a context."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._held = blocks, b""

    def read(self, count: int = -1) -> bytes:
        """The next bytes: `count` at most, all that are left without."""
        if count < 0:
            held, self._held = self._held, b""
            return held + b"".join(self._blocks)
        while not self._held:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._held = block
        given, self._held = self._held[:count], self._held[count:]
        return given

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close = getattr(self._blocks, "close", None)
        if close is not None:
            close()


class Passing(OSError):
    """What may be over at the next attempt. kind: the exception as Hadoop names it."""

    def __init__(self, kind: str, said: str) -> None:
        self.kind = kind
        super().__init__(f"{kind}: {said}")


def _about(status: dict[str, Any]) -> dict[str, Any]:
    mtime = status["modificationTime"]
    return {
        "type": status["type"].lower(), "size": status["length"], "mtime": mtime,
        "etag": f"{status.get('fileId', 0):x}-{mtime:x}-{status['length']:x}",
    }  # fmt: skip


def _check(answer: Any) -> None:
    if answer.status_code < 400:
        return
    kind, said = "", ""
    with answer, suppress(ValueError, KeyError, TypeError):
        remote = answer.json()["RemoteException"]
        kind, said = remote["exception"], str(remote["message"]).partition("\n")[0]
    if kind in ("FileNotFoundException",):
        raise FileNotFoundError("no such file")
    if kind in ("AccessControlException", "SecurityException") or (answer.status_code in (401, 403) and not kind):
        raise PermissionError("access is refused")
    if kind in ("FileAlreadyExistsException",):
        raise FileExistsError("it is there already")
    if (answer.status_code >= 500 and not kind) or kind in (
        "StandbyException", "RetriableException", "SafeModeException", "RecoveryInProgressException",
        "AlreadyBeingCreatedException", "LeaseExpiredException", "IOException", "ConnectException",
        "NoRouteToHostException", "ClosedChannelException", "BlockMissingException", "RuntimeException",
    ):  # fmt: skip
        raise Passing(kind or str(answer.status_code), said[:200])
    raise OSError(f"{kind or answer.status_code}: {said[:200]}")
