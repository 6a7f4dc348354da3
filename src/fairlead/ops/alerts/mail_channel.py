"""Messages as e-mail, as text and as HTML with a small plot in it.

    smtp://user@mail.example.org:587?password=env:MAIL_PASSWORD&from=fairlead@example.org&to=team@example.org

`smtp:` asks for STARTTLS and sends nothing over a connection that stays open to all, unless `tls=never` says so;
`smtps:` is TLS from the first byte. `ca=PATH` trusts one authority beside those of the system.
"""

from __future__ import annotations

import html
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import parse_qsl, unquote, urlsplit

from fairlead.contract.errors import ConfigInvalid, RemoteError
from fairlead.contract.incidents import Alert
from fairlead.ops.alerts.addresses import shown
from fairlead.ops.alerts.secrets import resolved

WAIT_S = 8.0
PORTS = {"smtp": 587, "smtps": 465}
COLOURS = {"critical": "#b02a2a", "warning": "#b07a10", "info": "#1f5fa8"}


class MailChannel:
    """One mailbox, or several: `to` may hold a list divided by commas."""

    pictures = True

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._asked = dict(parse_qsl(self._url.query))
        self.name = shown(url)
        self._to = [one.strip() for one in self._asked.get("to", "").split(",") if one.strip()]
        self._from = self._asked.get("from", "") or unquote(self._url.username or "")

    def __repr__(self) -> str:
        return f"MailChannel({self.name!r})"

    def check(self) -> None:
        """Raises ConfigInvalid for an address that no mail could be sent to."""
        tls = self._asked.get("tls", "")
        try:
            sound = self._url.scheme in PORTS and bool(self._url.hostname) and (self._url.port or 1) > 0
        except ValueError:
            sound = False
        whole = [*self._to, self._from]
        if not sound or not self._to or any("@" not in one or any(c in one for c in "\r\n") for one in whole):
            cure = "Write it as smtp://user@host:587?password=env:NAME&from=a@example.org&to=b@example.org."
            raise ConfigInvalid(f"{self.name}: this is no address of a mailbox.", key="alerts.to", cure=cure)
        if tls not in ("", "never"):
            raise ConfigInvalid(
                f"{self.name}: tls={tls} is not known.", key="alerts.to", cure="tls=never, or leave it out."
            )

    def send(self, title: str, body: str) -> None:
        """Words alone."""
        self.tell(Alert("", "notice", "info", title, body, 0.0))

    def tell(self, alert: Alert) -> None:
        """Deliver within about ten seconds. Raises RemoteError, which quotes no credentials."""
        try:
            self.check()
        except ConfigInvalid as wrong:
            raise RemoteError(str(wrong)) from None
        message = self._message(alert)
        try:
            self._deliver(message)
        except RemoteError:
            raise
        except smtplib.SMTPAuthenticationError as error:
            raise RemoteError(f"{self.name} refused the user and password ({error.smtp_code})") from None
        except smtplib.SMTPResponseException as error:
            raise RemoteError(f"{self.name} answered {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise RemoteError(f"{self.name} did not take the mail: {type(error).__name__}") from None

    def _deliver(self, message: EmailMessage) -> None:
        host, port = self._url.hostname or "", self._url.port or PORTS[self._url.scheme]
        context = ssl.create_default_context()
        if self._asked.get("ca"):
            context.load_verify_locations(self._asked["ca"])
        whole = self._url.scheme == "smtps"
        opened = (
            smtplib.SMTP_SSL(host, port, timeout=WAIT_S, context=context)
            if whole
            else smtplib.SMTP(host, port, timeout=WAIT_S)
        )
        with opened as server:
            if not whole and self._asked.get("tls") != "never":
                server.ehlo()
                if not server.has_extn("starttls"):
                    raise RemoteError(f"{self.name} offers no STARTTLS; tls=never sends in the open")
                server.starttls(context=context)
            password = self._asked.get("password") or unquote(self._url.password or "")
            if password:
                user = unquote(self._url.username or self._from)
                server.login(user, resolved(password, f"{self.name}: password"))
            server.send_message(message, self._from, self._to)

    def _message(self, alert: Alert) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = " ".join(alert.title.split())[:200]
        message["From"], message["To"] = self._from, ", ".join(self._to)
        message["Date"] = formatdate(localtime=False)
        domain = self._from.rpartition("@")[2]
        message["Message-ID"] = make_msgid(domain=domain)
        if alert.incident is not None:
            # Mail programs show what is about one incident as one conversation.
            thread = f"<incident-{alert.incident.id}@{domain}>"
            message["References"] = thread
            message["In-Reply-To"] = thread
        message["X-Fairlead-Alert"] = " ".join(alert.id.split())[:200]
        if alert.severity == "critical":
            message["X-Priority"] = "1"
        message.set_content(alert.body)
        picture = make_msgid(domain=domain) if alert.picture else ""
        message.add_alternative(page(alert, picture.strip("<>")), subtype="html")
        if alert.picture:
            shown_part = message.get_payload()[1]  # type: ignore[index]
            shown_part.add_related(alert.picture, "image", "png", cid=picture)  # type: ignore[union-attr]
        return message


def page(alert: Alert, picture: str) -> str:
    """The mail as HTML. picture: content id of the plot, empty without one."""
    lines = "".join(f"<p style='margin:0 0 8px'>{html.escape(line)}</p>" for line in alert.body.splitlines())
    colour = COLOURS.get(alert.severity, COLOURS["info"])
    plot = f"<img src='cid:{picture}' alt='the figure over the windows, with its limit' width='480'>" if picture else ""
    return (
        "<html><body style='font-family:sans-serif;font-size:14px;color:#222'>"
        f"<div style='border-left:4px solid {colour};padding-left:12px'>"
        f"<h3 style='margin:0 0 12px'>{html.escape(alert.title)}</h3>{lines}{plot}</div></body></html>"
    )
