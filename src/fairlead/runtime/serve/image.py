"""What the data plane does besides as the entry point of an image: a place to write, and whether it is well."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from fairlead.contract.errors import UsageError
from fairlead.runtime.serve.workers import live_workers

PROBE = "/v2/health/ready"


def writable(home: Path) -> None:
    """Make the one folder that a container writes to, with temporary files inside it: its root may be read-only.

    What an earlier life of this container left among them goes. Raises UsageError where it cannot be written.
    """
    scratch = home / "tmp" / socket.gethostname()
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=scratch).close()
    except OSError as failure:
        who = f"{os.getuid()}:{os.getgid()}" if hasattr(os, "getuid") else "this user"
        raise UsageError(
            f"{home} cannot be written by {who} ({failure.strerror}): mount a volume there that this user may write."
        ) from failure
    os.environ["TMPDIR"] = str(scratch)
    tempfile.tempdir = None


def is_well(home: Path, timeout_s: float = 2.0) -> bool:
    """Whether a worker of this home answers that it is ready. For HEALTHCHECK and probes that run a command."""
    return any(_asked(worker.url, timeout_s) for worker in live_workers(home) if worker.state == "serving")


def _asked(url: str, timeout_s: float) -> bool:
    """Certificates are not looked at: it is this machine, and nothing is sent. A server that wants one of us is up."""
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(parts.netloc, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)
    try:
        connection.request("GET", PROBE)
        return connection.getresponse().status == 200
    except ssl.SSLError:
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
