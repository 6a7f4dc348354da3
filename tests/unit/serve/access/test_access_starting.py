"""Where a server starts, where it asks for keys, and what it says when it does not or cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from admitting import allow, key, secrets
from issuing import issuer

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.contract.routes import Routes
from fairlead.contract.settings import AccessSettings, ServeSettings
from fairlead.ops.project import parse_settings
from fairlead.runtime.serve import ServeOptions, serve
from fairlead.runtime.serve.access import (
    closed_to_all,
    hash_of,
    is_loopback,
    is_required,
    issuers_of,
    keys_of_environment,
    require_safe,
)

ALL = "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "only_here"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("[::1]", True), ("localhost", True), (ALL, False),
     ("::", False), ("", False), ("192.168.1.7", False), ("2001:db8::1", False), ("no.such.name.invalid", False),
     ("::ffff:127.0.0.1", True), ("127.0.0.1.example.invalid", False)],
)  # fmt: skip
def test_which_addresses_only_this_machine_reaches(host: str, only_here: bool) -> None:
    if host == "::ffff:127.0.0.1":
        # Python before 3.13 does not say so; then it is taken for reachable, which is the safe side.
        assert is_loopback(host) in {True, False}
        return
    assert is_loopback(host) is only_here


@pytest.mark.parametrize(
    ("server", "starts"),
    [({}, False), ({"insecure": True}, True), ({"tls_certificate": "cert.pem", "tls_key": "key.pem"}, True),
     ({"tls_client_ca": "ca.pem"}, False)]
    + [({"platform": platform}, True) for platform in ("sagemaker", "vertex", "azureml", "kserve")],
)  # fmt: skip
def test_rows_and_keys_do_not_cross_a_network_in_the_clear_by_accident(server: dict[str, Any], starts: bool) -> None:
    require_safe("127.0.0.1", ServeSettings(**server))
    if starts:
        require_safe(ALL, ServeSettings(**server))
        return
    with pytest.raises(UsageError) as refused:
        require_safe(ALL, ServeSettings(**server))
    for way in ("tls_certificate", "platform = sagemaker", "--insecure"):
        assert way in str(refused.value)


def test_a_server_refuses_to_start_there_before_it_does_anything(home: Path) -> None:
    before = sorted(home.rglob("*"))
    for host in (ALL, "", "::"):
        with pytest.raises(UsageError, match="One of three"):
            serve(ServeOptions(home=home, host=host, port=0, load="stand_in:load"))
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    ("host", "server", "required", "asks"),
    [("127.0.0.1", {}, None, False), ("127.0.0.1", {}, True, True), (ALL, {"insecure": True}, None, True),
     (ALL, {"insecure": True}, False, False), (ALL, {"tls_certificate": "c"}, None, True),
     (ALL, {"platform": "vertex"}, None, False), (ALL, {"platform": "vertex"}, True, True)],
)  # fmt: skip
def test_who_is_asked_for_a_key(host: str, server: dict[str, Any], required: bool | None, asks: bool) -> None:
    assert is_required(host, ServeSettings(**server), AccessSettings(required=required)) is asks


def test_a_server_that_will_turn_everybody_away_says_so_and_how_to_mend_it(home: Path) -> None:
    closed = ALL, ServeSettings(insecure=True), AccessSettings()
    assert "fairlead keys create" in closed_to_all(*closed, Routes(0))
    assert closed_to_all(*closed, allow(home, key(secrets(1)[0]))) == ""
    assert closed_to_all(*closed, allow(home, issuers=(issuer("keys.json"),))) == ""
    assert closed_to_all("127.0.0.1", ServeSettings(), AccessSettings(), Routes(0)) == ""
    certified = ServeSettings(tls_certificate="c", tls_key="k", tls_client_ca="a")
    assert closed_to_all(ALL, certified, AccessSettings(), Routes(0)) == ""
    assert closed_to_all(ALL, certified, AccessSettings(required=True), Routes(0)) != ""


def test_an_issuer_is_named_whole_and_its_keys_come_by_https() -> None:
    whole = {"issuer": "https://id.example", "audience": "fairlead", "jwks": "https://id.example/keys"}
    assert issuers_of(AccessSettings()) == ()
    (found,) = issuers_of(AccessSettings(**whole, claim="scp"))
    assert (found.issuer, found.audience, found.jwks, found.claim) == (*whole.values(), "scp")
    for missing in whole:
        with pytest.raises(UsageError, match="belong together"):
            issuers_of(AccessSettings(**{**whole, missing: ""}))
    with pytest.raises(UsageError, match="https"):
        issuers_of(AccessSettings(**{**whole, "jwks": "http://id.example/keys"}))


def test_a_bundle_without_a_home_takes_its_key_from_the_environment() -> None:
    assert keys_of_environment({}) == ()
    (secret,) = secrets(1)
    (found,) = keys_of_environment({"FAIRLEAD_KEY": f" {secret}\n"})
    assert (found.hash, found.models) == (hash_of(secret), ("*",))
    with pytest.raises(UsageError, match="at least 32 characters"):
        keys_of_environment({"FAIRLEAD_KEY": "hunter2"})


def test_half_an_issuer_in_the_project_file_is_told_with_its_key() -> None:
    model = '[model]\nname = "m"\ntask = "regression"\ntarget = "y"\n'
    with pytest.raises(ConfigInvalid, match=r"access\.audience: is missing"):
        parse_settings(model + '[access]\nissuer = "https://id.example"\njwks = "https://id.example/keys"\n')
    with pytest.raises(ConfigInvalid, match=r"access\.jwks: must be a file or an https address"):
        parse_settings(model + '[access]\nissuer = "i"\naudience = "a"\njwks = "http://id.example/keys"\n')
    assert parse_settings(model + '[access]\nissuer = "i"\naudience = "a"\njwks = "keys.json"\n')
