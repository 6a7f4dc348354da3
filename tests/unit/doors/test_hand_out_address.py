"""[serve] hand_out: where `routes` listens."""

from __future__ import annotations

import pytest

from fairlead.contract.errors import ConfigInvalid
from fairlead.doors.cli.handing_out import address_of


@pytest.mark.parametrize(
    ("text", "host", "port", "found"),
    [
        ("", None, None, ("127.0.0.1", 8090)),
        ("0.0.0.0:8443", None, None, ("0.0.0.0", 8443)),
        ("[::1]:8090", None, None, ("::1", 8090)),
        ("10.0.0.4:8090", "127.0.0.1", 0, ("127.0.0.1", 0)),
    ],
)
def test_what_is_typed_goes_before_what_is_set(
    text: str, host: str | None, port: int | None, found: tuple[str, int]
) -> None:
    assert address_of(text, host, port) == found


@pytest.mark.parametrize("text", ["8090", "host", "host:", ":8090", "host:99999", "host:eighty"])
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"\[serve\] hand_out"):
        address_of(text)
