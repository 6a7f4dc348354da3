"""What a request offers: parsers that take anything and believe little."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import Forbidden
from fairlead.runtime.serve.access import credentials, hash_of, new_secret, well_formed
from fairlead.runtime.serve.access.addresses import is_open, wanted
from fairlead.runtime.serve.access.grants import VERBS, allows, of_key, of_scopes
from fairlead.runtime.serve.access.secret import PATTERN

visible = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)


def test_a_key_is_found_by_its_pattern_and_known_by_its_checksum() -> None:
    made = {new_secret() for _ in range(200)}
    assert len(made) == 200
    for secret in made:
        assert re.fullmatch(PATTERN, secret)
        assert well_formed(secret)
        assert re.search(PATTERN, f'curl -H "x-api-key: {secret}"')
        other = "A" if secret[20] != "A" else "B"
        assert not well_formed(secret[:20] + other + secret[21:])
    assert hash_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.text())
def test_nothing_that_is_sent_breaks_a_parser(text: str) -> None:
    for parse in (credentials.bearer, credentials.password, credentials.api_key):
        found = parse(text)
        assert found is None or (found and found.isascii() and found.isprintable() and " " not in found)
    well_formed(text)


@given(visible, st.sampled_from(["Bearer", "bearer", "BEARER"]), st.integers(1, 3))
def test_a_bearer_token_comes_back_whole(token: str, scheme: str, spaces: int) -> None:
    assert credentials.bearer(scheme + " " * spaces + token + " ") == token
    assert credentials.password(f"{scheme} {token}") is None
    assert credentials.api_key(f" {token}") == token


@given(st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"])), visible)
def test_the_password_of_basic_comes_back_whole_whatever_the_user_is(user: str, password: str) -> None:
    sent = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    assert credentials.password(sent) == password
    assert credentials.bearer(sent) is None


@pytest.mark.parametrize(
    "sent",
    ["", "Bearer", "Bearer ", "Bearer a b", "Bearer\tabc", "Basic", "Basic ***", "Basic dXNlcg==", "Basic dXNlcjo=",
     "Digest abc", "Bearer " + "a" * 9000, "Basic " + "QUFB" * 4000, "Bearer \x00abc", "Bearer ä"],
)  # fmt: skip
def test_what_is_no_credential_is_none(sent: str) -> None:
    assert credentials.bearer(sent) is None
    assert credentials.password(sent) is None


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site", "origin": "http://a", "host": "a"}, False),
        ({"origin": "https://models.example:8443", "host": "models.example:8443"}, True),
        ({"origin": "https://evil.example", "host": "models.example"}, False),
        ({"origin": "null", "host": "models.example"}, False),
        ({"origin": "https://[broken", "host": "models.example"}, False),
    ],
)
def test_a_remembered_password_is_not_taken_from_another_site(headers: dict[str, str], fine: bool) -> None:
    if fine:
        credentials.require_same_site(headers)
    else:
        with pytest.raises(Forbidden):
            credentials.require_same_site(headers)


scope_words = st.lists(st.text(max_size=12) | st.builds("{}:{}".format, st.sampled_from(VERBS), st.text(max_size=6)))


@given(scope_words | st.text() | st.none() | st.integers() | st.dictionaries(st.text(), st.text()))
def test_scopes_grant_what_they_say_and_nothing_else(claim: object) -> None:
    words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    granted = of_scopes(claim)
    assert all(f"{verb}:{model}" in words and verb in VERBS and model for verb, model in granted)
    for verb in VERBS:
        assert allows(granted, verb, "churn") == (f"{verb}:churn" in words or f"{verb}:*" in words)


@given(st.sets(st.sampled_from(VERBS)), st.lists(st.sampled_from(["churn", "price", "*"]), max_size=3))
def test_a_key_may_do_its_verbs_with_its_models(verbs: set[str], models: list[str]) -> None:
    granted = of_key(verbs, models)
    for verb in VERBS:
        for model in ("churn", "price", "fraud"):
            assert allows(granted, verb, model) == (verb in verbs and (model in models or "*" in models))
    assert allows(granted, "admin", None) == ("admin" in verbs and "*" in models)
    assert allows(granted, "metrics", None) == ("metrics" in verbs and bool(models))


@pytest.mark.parametrize(
    ("path", "verb", "model"),
    [
        ("/metrics", "metrics", None),
        ("/metrics/", "metrics", None),
        ("//metrics", "metrics", None),
        ("/%6detrics", "metrics", None),
        ("/feedback", "feedback", None),
        ("/feedback/churn", "feedback", "churn"),
        ("/feedback/ch%75rn", "feedback", "churn"),
        ("/feedback%2Fchurn", "feedback", None),
        ("/v2/repository/index", "", None),
        ("/v2/repository/models/churn/load", "admin", "churn"),
        ("/v2/repository/models/churn/unload", "admin", "churn"),
        ("/v2/repository/models/ch%75rn/%6coad", "admin", "churn"),
        ("/v2/repository//models/churn/load/", "admin", "churn"),
        ("/v2/repository/models/a%2Fb/load", "admin", None),
        ("/v2/repository/models/churn/anything", "admin", None),
        ("/v2/repository/models", "admin", None),
        ("/v2/models/churn", "", None),
        ("/nowhere", "", None),
    ],
)
def test_an_address_wants_the_same_however_it_is_written(path: str, verb: str, model: str | None) -> None:
    assert wanted(path) == (verb, model)


@given(st.text(max_size=60))
def test_an_address_is_open_only_as_it_is_written(path: str) -> None:
    wanted("/" + path)
    assert not is_open("GET", "/health/live/" + path)
    assert not is_open("GET", "//health/live" + path)
    assert not is_open("POST", "/health/live")
