"""Any of the services that Apprise knows: mail, chat, pagers, webhooks."""

from __future__ import annotations

import logging
import threading
from typing import Any

from fairlead.contract.errors import ConfigInvalid, MissingExtra, RemoteError
from fairlead.ops.alerts.addresses import shown

_CONNECT_S = 4.0
_READ_S = 5.0


class AppriseChannel:
    """One Apprise address. Its secrets appear in no message, error or log of ours."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = shown(url)
        self._service: Any = None

    def __repr__(self) -> str:
        return f"AppriseChannel({self.name!r})"

    def check(self) -> None:
        """Raises ConfigInvalid if Apprise does not understand the address, MissingExtra if it is not installed."""
        if self._service is None:
            self._service = _service(self._url, self.name)

    def send(self, title: str, body: str) -> None:
        """Deliver within ten seconds. Raises RemoteError if the service did not take it."""
        try:
            self.check()
        except ConfigInvalid as error:
            raise RemoteError(str(error)) from None
        import apprise

        _quiet.sending = True
        try:
            # The service's own method: that of `Apprise` may send in another thread, where `_quiet` does not reach.
            taken = self._service.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT)
        except Exception as error:
            # Whatever a service's plugin raises may quote the address, so only its kind is told.
            raise RemoteError(f"{self.name} failed: {type(error).__name__}") from None
        finally:
            _quiet.sending = False
        if not taken:
            raise RemoteError(f"{self.name} did not accept the message")


def _service(url: str, name: str) -> Any:
    try:
        import apprise
    except ModuleNotFoundError as error:
        raise MissingExtra("apprise", "studio") from error
    _silence()
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        raise ConfigInvalid(
            f"{name}: Apprise does not understand this address.", key="alerts.to", cure="See its list of services."
        )
    service.socket_connect_timeout = _CONNECT_S
    service.socket_read_timeout = _READ_S
    service.notify_format = apprise.NotifyFormat.TEXT
    return service


class _Quiet(logging.Filter, threading.local):
    """Drops what libraries log in a thread that is sending: their lines quote addresses and payloads."""

    sending = False

    def filter(self, record: logging.LogRecord) -> bool:
        return not self.sending


_quiet = _Quiet()


def _silence() -> None:
    # Apprise quotes addresses whenever it speaks, and serves nobody else here.
    logging.getLogger("apprise").disabled = True
    for name in ("urllib3.connectionpool", "urllib3.util.retry", "requests"):
        logging.getLogger(name).addFilter(_quiet)  # the same filter is added but once
