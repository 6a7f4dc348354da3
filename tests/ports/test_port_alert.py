"""Every variant of the port `alert`: what is sent arrives, and what cannot is said without a secret."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import eventually
from tests.ports.alert_receivers import PASSWORD, Hook, Mailbox, alertmanager, certificate

from fairlead.contract.errors import FairleadError, RemoteError
from fairlead.contract.events import Cause
from fairlead.contract.evidence import Interval
from fairlead.contract.incidents import Alert, Incident, Trend
from fairlead.contract.plugins import names
from fairlead.ops.alerts import channels, name_of
from fairlead.ops.alerts.sending import illustrated

Receiver = tuple[str, Callable[[], list[str]]]
TITLE, BODY = "churn #7: data drift: Größe (warning)", "Größe moved.\nLook: `fairlead incident 7`."


def incident(**changed: Any) -> Incident:
    told: dict[str, Any] = {
        "id": "0123456789ab", "number": 7, "model": "churn", "title": "data drift: Größe", "severity": "warning",
        "state": "open", "since": 1_700_000_000.0, "opened_at": 1_700_000_500.0, "changed_at": 1_700_000_500.0,
        "first_window": 3, "last_window": 3, "findings": ("f",), "open": ("f",), "areas": ("data_drift",),
        "columns": ("Größe",), "causes": (Cause("source", "source b", 0.9, "90% of it comes from 10% of the rows"),),
        "cost": Interval(0.02, 0.01, 0.03), "cost_in": "Brier loss",
        "trend": Trend("drift Größe", "distance", ((0.0, 0.1), (1e6, 0.2), (2e6, 0.4)), 0.15, 0.1),
    }  # fmt: skip
    return Incident(**{**told, **changed})


def alert(**changed: Any) -> Alert:
    return Alert("notice:0123456789ab:0:0", "notice", "warning", TITLE, BODY, 1_700_000_500.0, incident(**changed))


@contextlib.contextmanager
def receiver(kind: str, folder: Path) -> Iterator[Receiver]:
    """An address of that variant, with a secret in it where it can hold one, and what arrived there as text."""
    if kind == "file":
        path = folder / "alerts.jsonl"
        yield f"file:{path}", lambda: path.read_text().splitlines() if path.exists() else []
    elif kind in ("apprise", "webhook"):
        with Hook() as hook:
            form = {"apprise": "json://user:{}@{}/", "webhook": "webhook+http://{1}/hook?secret={0}"}[kind]
            yield form.format(PASSWORD, hook.place), lambda: [body.decode() for _, _, body in hook.got]
    elif kind == "alertmanager":
        with alertmanager(folder) as running:
            place = running.url.removeprefix("http://")
            # It asks for no password, and is not put off by one.
            address = f"alertmanager+http://user:{PASSWORD}@{place}"
            yield address, lambda: [json.dumps(one, ensure_ascii=False) for one in running.ask("alerts")]
    else:
        tls, authority = certificate(folder)
        with Mailbox(tls=tls, whole=kind == "smtps", login=True) as mailbox:
            asked = f"password={PASSWORD}&from=fairlead@example.org&to=team@example.org&ca={authority}"
            yield (
                f"{kind}://user@127.0.0.1:{mailbox.port}?{asked}",
                lambda: [
                    f"{mail['subject']}\n{mail.get_body(('plain',)).get_content()}"  # type: ignore[union-attr]
                    for mail in mailbox.got
                ],
            )


@pytest.fixture(params=names("alert"))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_words_and_incidents_arrive_and_no_secret_is_told(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with receiver(kind, tmp_path) as (address, arrived):
        (channel,) = channels([address])
        with caplog.at_level("DEBUG"):
            channel.send(TITLE, BODY)
            assert eventually(arrived, what="the words")
            tell = getattr(channel, "tell", None)
            if tell is not None:
                tell(illustrated(alert()))
                eventually(lambda: len(arrived()) == 2, what="the incident")
        for text in arrived():
            assert "Größe" in text or "Gr\\u00f6\\u00dfe" in text
        told = f"{caplog.text}{channel!r}{name_of(channel)}{arrived()}"
        assert PASSWORD not in told


def test_a_title_of_two_lines_is_one_and_a_long_text_arrives(kind: str, tmp_path: Path) -> None:
    with receiver(kind, tmp_path) as (address, arrived):
        (channel,) = channels([address])
        channel.send("first\r\nBcc: everybody@example.org", "x" * 20_000)
        (text,) = eventually(arrived, what="the message")
        assert "x" * 500 in text.replace("\n", "")


def test_nobody_there_is_an_error_without_secrets(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        address = {
            "apprise": f"json://user:{PASSWORD}@{place}/{PASSWORD}",
            "webhook": f"webhook+http://{place}/{PASSWORD}?secret={PASSWORD}",
            "alertmanager": f"alertmanager+http://user:{PASSWORD}@{place}",
            "file": f"file:{tmp_path}/no/such/folder/{PASSWORD}",
        }.get(kind, f"{kind}://user:{PASSWORD}@{place}?from=a@example.org&to=b@example.org")
        (channel,) = channels([address])
        with caplog.at_level("DEBUG"), pytest.raises(RemoteError) as caught:
            channel.send(TITLE, BODY)
    assert PASSWORD not in f"{caught.value}{caplog.text}{channel!r}{name_of(channel)}"


def test_an_address_that_makes_no_sense_harms_nobody(kind: str) -> None:
    address = {"apprise": "nonsense://", "webhook": "webhook+ftp://x", "alertmanager": "alertmanager://"}.get(
        kind, f"{kind}:"
    )
    (channel,) = channels([address])
    with pytest.raises(FairleadError):
        channel.send(TITLE, BODY)
