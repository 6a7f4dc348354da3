"""Tokens of an issuer: what holds, what does not, and keys that change while the server runs."""

from __future__ import annotations

import contextlib
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from admitting import allow, guarded
from asking import ROW, ask
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from issuing import AUDIENCE, NAME, Published, Signer, issuer, serving
from tests.conftest import eventually

from fairlead.contract.errors import RemoteError
from fairlead.runtime.serve.access import fetching
from fairlead.runtime.serve.access.tokens import LEEWAY_S, Tokens, usable_keys


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer("first")


@contextlib.contextmanager
def following(*issuers: Any, **options: Any) -> Iterator[Tokens]:
    made = Tokens(**options)
    made.follow(issuers, wait_s=5.0)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def tokens(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tokens]:
    path = tmp_path_factory.mktemp("jwks") / "keys.json"
    path.write_text(json.dumps({"keys": [signer.jwk]}))
    with following(issuer(str(path))) as made:
        yield made


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_token_of_each_algorithm_holds(algorithm: str, tmp_path: Path) -> None:
    made = Signer("k", algorithm)
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [made.jwk]}))
    with following(issuer(str(tmp_path / "keys.json"))) as found:
        token = found.read(made.token("predict:churn admin:* profile"))
    assert token is not None
    assert (token.id, token.grants) == (f"{NAME}|ann", {("predict", "churn"), ("admin", "*")})
    assert 300 < token.expires - time.time() <= 300 + LEEWAY_S


def test_a_clock_that_is_a_little_off_does_no_harm(signer: Signer, tokens: Tokens) -> None:
    now = time.time()
    assert tokens.read(signer.token(exp=now - LEEWAY_S / 2)) is not None
    assert tokens.read(signer.token(nbf=now + LEEWAY_S / 2)) is not None
    assert tokens.read(signer.token(exp=now - LEEWAY_S - 2)) is None
    assert tokens.read(signer.token(nbf=now + LEEWAY_S + 5)) is None


@pytest.mark.parametrize(
    "claims",
    [{"iss": "https://other.example"}, {"aud": "other"}, {"aud": None}, {"exp": None}, {"iss": None}, {"exp": "soon"},
     {"sub": 7}, {"aud": [AUDIENCE + "x"]}, {"exp": 1e400}],
)  # fmt: skip
def test_claims_that_are_not_ours_do_not_hold(claims: dict[str, Any], signer: Signer, tokens: Tokens) -> None:
    assert tokens.read(signer.token()) is not None
    assert tokens.read(signer.token(**claims)) is None


def part(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_no_trick_with_the_algorithm_works(signer: Signer, tokens: Tokens) -> None:
    real = signer.token()
    head, body, signature = real.split(".")
    claims = jwt.decode(real, options={"verify_signature": False})
    public = signer.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    shared = jwt.encode(claims, "x" * 64, algorithm="HS256", headers={"kid": "first"})
    unsigned = f"{part({'alg': 'none', 'kid': 'first'})}.{body}."
    other = Signer("first").token()
    wrong_family = jwt.encode(
        claims, rsa.generate_private_key(public_exponent=65537, key_size=2048), algorithm="RS256",
        headers={"kid": "first"},
    )  # fmt: skip
    by_public_key = f"{part({'alg': 'HS256', 'kid': 'first', 'k': public.decode()})}.{body}.{signature}"
    named_key = f"{part({'alg': 'ES256', 'kid': 'first', 'jwk': Signer('x').jwk})}.{body}.{signature}"
    critical = signer.token(head={"crit": ["unheard-of"], "unheard-of": True})
    flipped = f"{head}.{body[:-2]}{'AA' if body[-2:] != 'AA' else 'BB'}.{signature}"
    for token in (
        shared,
        unsigned,
        other,
        wrong_family,
        by_public_key,
        named_key,
        critical,
        flipped,
        f"{head}.{body}.",
    ):
        assert tokens.read(token) is None


@given(st.text(max_size=200) | st.builds("{}.{}.{}".format, st.text(max_size=20), st.text(max_size=20), st.text()))
def test_nothing_that_is_sent_breaks_it(text: str) -> None:
    # An instance that follows nobody: no token can hold.
    assert Tokens().read(text) is None


def test_symmetric_weak_and_encrypting_keys_are_left_out(signer: Signer) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    small = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(weak.public_key())), "kid": "weak"}
    shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"}
    encrypting = {**Signer("enc").jwk, "use": "enc"}
    body = {"keys": [shared, small, encrypting, {"kty": "?"}, "text", signer.jwk]}
    assert set(usable_keys(json.dumps(body).encode())) == {"first"}
    with pytest.raises(ValueError, match="no key"):
        usable_keys(json.dumps({"keys": [shared, small]}).encode())


def test_a_rotated_key_is_fetched_for_the_first_token_that_names_it(signer: Signer) -> None:
    second, published = Signer("second"), Published(signer)
    changed: list[bool] = []
    with (
        serving(published) as url,
        following(issuer(url), changed=lambda: changed.append(True), patience_s=0.2) as found,
    ):
        assert found.read(signer.token()) is not None
        assert published.asked == 1
        published.show(second)
        token = second.token()
        assert found.read(token) is None, "no request waits for a fetch"
        eventually(lambda: found.read(token))
        assert found.read(signer.token()) is None, "a key that was withdrawn signs nothing any more"
        eventually(lambda: len(changed) == 2, what="that keys changed is told after they have")


def test_a_flood_of_unknown_keys_makes_no_flood_of_fetches(signer: Signer) -> None:
    published = Published(signer)
    with serving(published) as url, following(issuer(url), patience_s=0.3) as found:
        began, asked = time.monotonic(), published.asked
        while time.monotonic() - began < 1.0:
            assert found.read(Signer("stranger").token()) is None
        assert published.asked - asked <= (time.monotonic() - began) / 0.3 + 2
        assert found.read(signer.token()) is not None


def test_a_fetch_that_fails_keeps_the_keys_that_are_known(signer: Signer) -> None:
    published = Published(signer)
    with serving(published) as url, following(issuer(url), patience_s=0.05) as found:
        for broken in (None, b"{", b'{"keys": []}', b'"text"', b"\xff" * 10, b"[" * 5000):
            before, published.body = published.asked, broken
            assert found.read(Signer("unknown").token()) is None
            eventually(lambda before=before: published.asked > before)
            assert found.read(signer.token()) is not None


def test_a_key_that_is_asked_for_while_older_ones_are_on_their_way_is_fetched(signer: Signer) -> None:
    published, second = Published(signer), Signer("second")
    with serving(published) as url, following(issuer(url), patience_s=0.05) as found:
        published.let.clear()
        assert found.read(second.token()) is None
        eventually(lambda: published.asked == 2)
        published.show(signer, second)
        assert found.read(second.token()) is None
        published.let.set()
        eventually(lambda: published.asked == 3)
        eventually(lambda: found.read(second.token()))


def test_who_waits_for_the_first_keys_finds_them(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `follow` waits for is true only once the keys are there, however long the machine takes over it."""
    from fairlead.runtime.serve.access import tokens as module

    seen: list[float] = []
    raw = module._raw
    with serving(Published(signer)) as url:
        source = module.Source(issuer(url))
        monkeypatch.setattr(module, "_raw", lambda key: (seen.append(source.tried), raw(key))[1])
        assert source.refresh()
    assert source.tried
    assert source.keys
    assert seen == [0.0], "before it had them it had not tried"


def test_keys_come_from_no_redirect_no_stranger_and_in_bounded_size(signer: Signer) -> None:
    published = Published(signer)
    with serving(published) as url:
        assert json.loads(fetching.fetch(url)) == {"keys": [signer.jwk]}
        published.location = url
        with pytest.raises(OSError):
            fetching.fetch(url)
        published.location = ""
        published.body = b" " * (fetching.MOST_BYTES + 1)
        with pytest.raises(RemoteError, match="larger"):
            fetching.fetch(url)
    for address in ("http://192.0.2.1/keys", "ftp://127.0.0.1/keys", "file:///etc/passwd", ""):
        with pytest.raises(RemoteError):
            fetching.fetch(address)


def test_an_issuer_that_cannot_be_reached_holds_no_worker_up(home: Path, signer: Signer) -> None:
    allow(home, issuers=(issuer("http://127.0.0.1:9/keys"),))
    began = time.monotonic()
    with guarded(home) as app:
        assert ask(app, ROW, authorization=f"Bearer {signer.token()}")[0].code == 401
    assert time.monotonic() - began < 20.0


def test_a_server_takes_tokens_by_their_scopes_and_forgets_those_of_withdrawn_keys(
    home: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, published = Signer("second"), Published(signer)
    monkeypatch.setattr("fairlead.runtime.serve.access.tokens.PATIENCE_S", 0.1)
    with serving(published) as url:
        allow(home, models=("churn", "price"), issuers=(issuer(url),))
        with guarded(home) as app:

            def code(token: str, path: str = "/predict/churn") -> int:
                return ask(app, ROW, path=path, authorization=f"Bearer {token}")[0].code

            token = signer.token("predict:churn")
            assert [code(token), code(token), code(token, "/predict/price"), code(token, "/feedback")] == [
                200,
                200,
                403,
                403,
            ]
            assert code(signer.token("predict:*"), "/predict/price") == 200
            assert code(signer.token("feedback:churn")) == 403
            assert code(signer.token(None)) == 403
            assert code(signer.token(["predict:churn"])) == 200
            assert code(signer.token(exp=time.time() - 3600)) == 401
            published.show(second)
            assert code(second.token()) == 401
            eventually(lambda: code(second.token()) == 200, within_s=40)
            eventually(lambda: code(token) == 401)
