"""docs/how-to/incidents.md and alerts.md: their settings are read, their Python runs, their verbs and headers exist."""

from __future__ import annotations

import re
from pathlib import Path

from fairlead.contract.plugins import names
from fairlead.doors.cli.main import app
from fairlead.ops.alerts import channels
from fairlead.ops.alerts.belonging import RETURNS
from fairlead.ops.alerts.webhook_channel import IDENTITY, SIGNATURE, TIMESTAMP, TOLERANCE_S
from fairlead.ops.project.reading import parse_settings

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"
INCIDENTS, ALERTS = (PAGES / f"{name}.md" for name in ("incidents", "alerts"))
MODEL = '[model]\nname = "m"\ntask = "classification"\ntarget = "y"\n'


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


def test_the_settings_are_settings_and_every_address_has_a_channel() -> None:
    (text,) = blocks(ALERTS, "toml")
    alerts = parse_settings(MODEL + text)[0].alerts
    made = channels([*alerts.to, *alerts.escalate.to])
    assert [type(one).__name__ for one in made] == [
        "MailChannel", "WebhookChannel", "AlertmanagerChannel", "AppriseChannel", "FileChannel", "MailChannel",
    ]  # fmt: skip
    for channel in made:
        getattr(channel, "check", lambda: None)()


def test_what_verifies_a_webhook_runs() -> None:
    (code,) = blocks(ALERTS, "python")
    exec(code, {})
    text = ALERTS.read_text()
    assert TOLERANCE_S == 300.0
    assert all(header in text for header in (IDENTITY, SIGNATURE, TIMESTAMP))


def test_every_channel_is_in_the_table() -> None:
    text = ALERTS.read_text()
    assert all(f"`{name}" in text for name in names("alert") if name not in ("apprise", "file"))


def test_verbs_that_are_named_exist() -> None:
    verbs = {command.callback.__name__ for command in app.registered_commands if command.callback is not None}
    named = set(re.findall(r"`fairlead ([a-z]+)", INCIDENTS.read_text() + ALERTS.read_text()))
    assert named <= verbs | {"config"}, named - verbs
    assert RETURNS == 4, "as the page says"
