"""What each channel does beyond delivering: signatures, firing and resolving, pictures, encryption."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.conftest import eventually
from tests.ports.alert_receivers import PASSWORD, Hook, Mailbox, alertmanager, certificate
from tests.ports.test_port_alert import alert

from fairlead.contract.errors import ConfigInvalid, RemoteError
from fairlead.ops.alerts.alertmanager_channel import AlertmanagerChannel
from fairlead.ops.alerts.mail_channel import MailChannel
from fairlead.ops.alerts.sending import illustrated
from fairlead.ops.alerts.webhook_channel import TOLERANCE_S, WebhookChannel, verified


def test_a_webhook_is_signed_and_cannot_be_changed_or_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", PASSWORD)
    with Hook() as hook:
        WebhookChannel(f"webhook+http://{hook.place}/in?team=a&secret=env:HOOK_SECRET").tell(alert())
    ((path, headers, body),) = hook.got
    assert path == "/in?team=a", "the secret is not in what is sent, the rest of the address is"
    now = time.time()
    assert verified(PASSWORD, headers, body, now)
    assert not verified("another", headers, body, now)
    assert not verified(PASSWORD, headers, body + b" ", now)
    assert not verified(PASSWORD, {**headers, "fairlead-timestamp": f"{now + 1:.0f}"}, body, now)
    assert not verified(PASSWORD, {**headers, "fairlead-id": "0"}, body, now)
    assert not verified(PASSWORD, headers, body, now + TOLERANCE_S + 2)
    told = json.loads(body)
    assert (told["kind"], told["incident"]["number"], told["incident"]["cost_in"]) == ("notice", 7, "Brier loss")
    assert "picture" not in told


def test_a_message_sent_twice_has_one_identity() -> None:
    with Hook() as hook:
        for _ in range(2):
            WebhookChannel(f"webhook+http://{hook.place}/").tell(alert())
    first, second = (headers["fairlead-id"] for _, headers, _ in hook.got)
    assert first == second


def test_a_secret_that_is_not_there_is_named_by_where_it_was_looked_for(tmp_path: Path) -> None:
    with Hook() as hook:
        for reference, said in (("env:NOT_SET_HERE", "NOT_SET_HERE"), (f"file:{tmp_path}/none", "FileNotFoundError")):
            with pytest.raises(RemoteError, match=said):
                WebhookChannel(f"webhook+http://{hook.place}/?secret={reference}").tell(alert())
        (tmp_path / "secret").write_text(f"{PASSWORD}\n")
        WebhookChannel(f"webhook+http://{hook.place}/?secret=file:{tmp_path}/secret").tell(alert())
    ((_, headers, body),) = hook.got
    assert verified(PASSWORD, headers, body, time.time())


def test_a_redirect_takes_no_message_elsewhere() -> None:
    with Hook() as hook:
        hook.answers = [302]
        with pytest.raises(RemoteError, match="answered 302"):
            WebhookChannel(f"webhook+http://{hook.place}/").tell(alert())


def test_alertmanager_fires_tells_and_resolves(tmp_path: Path) -> None:
    with alertmanager(tmp_path) as running:
        channel = AlertmanagerChannel(f"alertmanager+{running.url}")
        channel.tell(alert())
        (fired,) = running.ask("alerts")
        assert fired["labels"] == {
            "alertname": "FairleadIncident", "model": "churn", "incident": "7", "severity": "warning",
            "area": "data_drift",
        }  # fmt: skip
        assert fired["annotations"]["causes"] == "source source b"
        eventually(lambda: [n for n in running.told() if n["status"] == "firing"], what="the notification")
        channel.tell(alert(state="resolved", open=(), closed_at=1_700_001_000.0, ended=1_700_001_000.0))
        eventually(lambda: [n for n in running.told() if n["status"] == "resolved"], what="the resolution")
        assert running.ask("alerts") == []
        over = alert(number=8, state="resolved", open=(), closed_at=1_700_001_000.0, ended=1_700_001_000.0)
        channel.tell(type(over)("passed:8", "passed", "warning", over.title, over.body, 0.0, over.incident))
        (shortly,) = running.ask("alerts")
        assert shortly["labels"]["incident"] == "8", "what never fired could not resolve"
        assert shortly["endsAt"] < shortly["startsAt"].replace("2023", "2099")


def test_what_got_worse_is_one_alert_in_alertmanager(tmp_path: Path) -> None:
    with alertmanager(tmp_path) as running:
        channel = AlertmanagerChannel(f"alertmanager+{running.url}")
        channel.tell(alert())
        graver = alert(severity="critical", worsened=1)
        channel.tell(type(graver)(graver.id, "worse", "critical", graver.title, graver.body, 0.0, graver.incident))
        (fired,) = running.ask("alerts")
        assert fired["labels"]["severity"] == "critical"


def test_a_silence_in_alertmanager_keeps_an_incident_silent(tmp_path: Path) -> None:
    with alertmanager(tmp_path) as running:
        matcher = {"name": "incident", "value": "7", "isRegex": False, "isEqual": True}
        times = {"startsAt": "2020-01-01T00:00:00Z", "endsAt": "2090-01-01T00:00:00Z"}
        running.ask("silences", {"matchers": [matcher], "createdBy": "anna", "comment": "known", **times})
        AlertmanagerChannel(f"alertmanager+{running.url}").tell(alert())
        (kept,) = eventually(
            lambda: [a for a in running.ask("alerts") if a["status"]["silencedBy"]], what="the silence"
        )
        assert kept["status"]["state"] == "suppressed"
        assert running.told() == []


def test_a_mail_is_text_and_a_page_with_its_plot(tmp_path: Path) -> None:
    tls, authority = certificate(tmp_path)
    with Mailbox(tls=tls, login=True) as mailbox:
        asked = f"from=fairlead@example.org&to=a@example.org,b@example.org&ca={authority}"
        channel = MailChannel(f"smtp://anna:{PASSWORD}@127.0.0.1:{mailbox.port}?{asked}")
        channel.tell(illustrated(alert()))
    (mail,) = mailbox.got
    assert mailbox.users == ["anna"]
    assert mail["to"] == "a@example.org, b@example.org"
    assert mail["references"] == "<incident-0123456789ab@example.org>", "one conversation"
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]
    picture = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    assert picture.get_payload(decode=True)[:8] == b"\x89PNG\r\n\x1a\n"  # type: ignore[index]
    page = mail.get_body(("html",))
    assert page is not None
    assert f"cid:{picture['content-id'].strip('<>')}" in page.get_content()


def test_a_mail_without_a_figure_has_no_picture(tmp_path: Path) -> None:
    with Mailbox() as mailbox:
        channel = MailChannel(f"smtp://127.0.0.1:{mailbox.port}?tls=never&from=a@example.org&to=b@example.org")
        channel.tell(illustrated(alert(trend=None)))
    (mail,) = mailbox.got
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]


def test_mail_is_not_sent_in_the_open_unless_asked_to() -> None:
    with Mailbox() as mailbox:
        asked = "from=a@example.org&to=b@example.org"
        with pytest.raises(RemoteError, match="offers no STARTTLS"):
            MailChannel(f"smtp://127.0.0.1:{mailbox.port}?{asked}").send("t", "b")
    assert mailbox.got == []


def test_a_certificate_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path)
    with Mailbox(tls=tls) as mailbox, pytest.raises(RemoteError, match="SSLCertVerificationError"):
        MailChannel(f"smtp://127.0.0.1:{mailbox.port}?from=a@example.org&to=b@example.org").send("t", "b")
    assert mailbox.got == []


def test_a_wrong_password_is_said_without_it(tmp_path: Path) -> None:
    tls, authority = certificate(tmp_path)
    with Mailbox(tls=tls, login=True) as mailbox:
        asked = f"password=wr0ng&from=a@example.org&to=b@example.org&ca={authority}"
        with pytest.raises(RemoteError, match="refused the user and password") as caught:
            MailChannel(f"smtp://anna@127.0.0.1:{mailbox.port}?{asked}").send("t", "b")
    assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["smtp://host?to=b@example.org", "smtp://host?from=a@example.org", "smtp://host:no?from=a@x.org&to=b@x.org",
     "smtp://?from=a@x.org&to=b@x.org", "smtp://host?from=a@x.org&to=b%0d%0aBcc:c@x.org"],
)  # fmt: skip
def test_an_address_of_no_mailbox_is_said(address: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"alerts\.to: smtp(://host)?: this is no address of a mailbox"):
        MailChannel(address).check()
