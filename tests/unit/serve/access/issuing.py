"""An issuer of tokens: its keys, what it signs, and a real HTTP server that publishes them."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fairlead.contract.routes import Issuer

NAME, AUDIENCE = "https://id.example/realm", "fairlead"
KINDS = {
    "RS256": (lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048), jwt.algorithms.RSAAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), jwt.algorithms.ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, jwt.algorithms.OKPAlgorithm),
}


class Signer:
    """A private key with an id; it is published as `jwk`."""

    def __init__(self, kid: str, algorithm: str = "ES256") -> None:
        make, kind = KINDS[algorithm]
        self.kid, self.algorithm, self.private = kid, algorithm, make()
        jwk = json.loads(kind.to_jwk(self.private.public_key()))
        self.jwk = {**jwk, "kid": kid, "alg": algorithm, "use": "sig"}

    def token(self, scope: Any = "predict:churn", *, head: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token of five minutes; claims that are None are left out."""
        now = time.time()
        body = {"iss": NAME, "aud": AUDIENCE, "sub": "ann", "exp": now + 300, "iat": now, "scope": scope, **claims}
        kept = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(kept, self.private, algorithm=self.algorithm, headers={"kid": self.kid, **(head or {})})


class Published:
    """What the server answers. body: None refuses; asked: how often it was asked; let: cleared, answers are held."""

    def __init__(self, *signers: Signer) -> None:
        self.asked = 0
        self.let = threading.Event()
        self.let.set()
        self.body: bytes | None = b""
        self.location = ""
        self.show(*signers)

    def show(self, *signers: Signer) -> None:
        self.body = json.dumps({"keys": [signer.jwk for signer in signers]}).encode()


@contextlib.contextmanager
def serving(published: Published) -> Iterator[str]:
    """The address of the keys, on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            published.asked += 1
            if published.location:
                self.send_response(302)
                self.send_header("location", published.location)
                self.end_headers()
                return
            body = published.body
            published.let.wait(10)
            self.send_response(200 if body is not None else 503)
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/keys"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def issuer(jwks: str, **other: str) -> Issuer:
    return Issuer(**{"issuer": NAME, "audience": AUDIENCE, "jwks": jwks, **other})
