"""Real receivers of alerts: an HTTP server, an SMTP server with TLS and users, Debian's Alertmanager."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import eventually

PASSWORD = "sw0rdf1sh"


class Hook(ThreadingHTTPServer):
    """Takes anything by POST. got: (path, headers in lower case, body); answers: codes given before 200s."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Mailbox:
    """An SMTP server. got: mails as they came; asked: (user, password) of every login that was let in."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, whole: bool = False, login: bool = False) -> None:
        from aiosmtpd.controller import Controller
        from aiosmtpd.smtp import AuthResult

        self.got: list[EmailMessage] = []
        self.users: list[str] = []
        mailbox = self

        class Keeper:
            async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
                parsed = message_from_bytes(envelope.content, policy=policy.default)
                assert isinstance(parsed, EmailMessage)
                mailbox.got.append(parsed)
                return "250 kept"

        def authenticated(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
            good = data.password == PASSWORD.encode()
            if good:
                mailbox.users.append(data.login.decode())
            return AuthResult(success=good, handled=good)

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        extra: dict[str, Any] = {"authenticator": authenticated, "auth_required": True} if login else {}
        if tls is not None and not whole:
            extra |= {"tls_context": tls, "require_starttls": True}
        if login and whole:
            extra["auth_require_tls"] = False
        context = tls if whole else None
        self._server = Controller(Keeper(), hostname="127.0.0.1", port=self.port, ssl_context=context, **extra)

    def __enter__(self) -> Mailbox:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for 127.0.0.1, and the file of the authority that vouches for it (itself)."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail for tests")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
    made = made.not_valid_after(now + dt.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    signed = made.sign(key, hashes.SHA256())
    public, private = folder / "mail.pem", folder / "mail.key"
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return context, public


class Alertmanager:
    """The program itself. `url`: where it listens; `hook`: what it tells."""

    def __init__(self, url: str, hook: Hook) -> None:
        self.url, self.hook = url, hook

    def ask(self, path: str, body: Any = None) -> Any:
        """Its API v2."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/api/v2/{path}", data, headers), timeout=5
        ) as got:
            return json.loads(got.read() or b"null")

    def told(self) -> list[dict[str, Any]]:
        """Every notification that it sent."""
        return [json.loads(body) for _, _, body in self.hook.got]


@contextlib.contextmanager
def alertmanager(folder: Path) -> Iterator[Alertmanager]:
    """Debian's `prometheus-alertmanager`, telling an HTTP receiver; a skip that names it where it is missing."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("prometheus-alertmanager is not installed (Debian: apt install prometheus-alertmanager)")
    with Hook() as hook, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        config = folder / "alertmanager.yml"
        config.write_text(
            "route: {receiver: hook, group_by: [incident], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"
            f"receivers: [{{name: hook, webhook_configs: [{{url: 'http://{hook.place}/', send_resolved: true}}]}}]\n"
        )
        words = [
            program, f"--config.file={config}", f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
        ]  # fmt: skip
        with (folder / "alertmanager.log").open("w") as log:
            process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
        running = Alertmanager(f"http://127.0.0.1:{port}", hook)

        def ready() -> bool:
            try:
                return bool(running.ask("status"))
            except OSError:
                return False

        try:
            eventually(ready, within_s=30, what="Alertmanager's API")
            yield running
        finally:
            process.terminate()
            process.wait(60)
