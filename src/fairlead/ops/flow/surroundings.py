"""What a home stands on, for `doctor`: versions, clocks, permissions, room, what it is to reach, and whether what is
published is what is intended. Looks, and changes nothing but a file of a moment."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from urllib.parse import urlsplit

from fairlead.contract.errors import FairleadError
from fairlead.contract.evidence import Check
from fairlead.ops.flow.surroundings_stores import stored
from fairlead.ops.flow.workspace import Workspace

MOST_SKEW_S = 2.0
FEWEST_INODES = 10_000
REACH_S = 3.0
SLOW_MS = 1000.0
PYTHONS = ((3, 11), (3, 13))
_PORTS = {
    "http": 80, "https": 443, "postgresql": 5432, "postgres": 5432, "mysql": 3306, "spark": 7077, "sc": 15002,
    "smtp": 587, "smtps": 465, "hdfs": 9870, "webhdfs": 9870, "amqp": 5672, "nats": 4222, "redis": 6379,
}  # fmt: skip


def versions(ws: Workspace) -> list[Check]:
    """This Python, and the libraries that were asked for at installation."""
    here = sys.version_info[:2]
    fits = PYTHONS[0] <= here <= PYTHONS[1]
    known = " to ".join(".".join(map(str, one)) for one in PYTHONS)
    why = f"tested on {known}" if fits else f"tested on {known}: make the environment with one of these"
    found = [Check("python", ".".join(map(str, here)), known, "pass" if fits else "fail", why)]
    wrong = sorted(_unfit())
    if wrong:
        why = f"{'; '.join(wrong[:5])}: pip install 'fairlead[studio]'"
        return [*found, Check("libraries", len(wrong), 0, "fail", why)]
    return [*found, Check("libraries", 0, 0, "pass", "each is of a version that this Fairlead was made for")]


def _unfit() -> Iterator[str]:
    """Libraries that are installed in a version outside of what we ask for; extras count where they are there."""
    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError:
        return
    try:
        asked = [Requirement(line) for line in requires("fairlead") or ()]
    except PackageNotFoundError:
        return
    for one in asked:
        try:
            have = version(one.name)
        except PackageNotFoundError:
            if one.marker is None:
                yield f"{one.name} is not installed"
            continue
        if one.marker is not None and not one.marker.evaluate({"extra": ""}) and "python_version" in str(one.marker):
            continue
        if not one.specifier.contains(have, prereleases=True):
            yield f"{one.name} is {have}, {one.specifier} is asked for"


def clocks(ws: Workspace) -> list[Check]:
    """Ours beside that of the database, and that of the file system the home lies on (a network's may be another)."""
    checks = []
    if ws.settings.state.url:
        began = time.time()
        theirs = ws.state.backend.now()
        checks.append(_skew("clock of the database", theirs - (began + time.time()) / 2))
    descriptor, name = tempfile.mkstemp(prefix=".clock-", dir=ws.home.run)
    try:
        os.utime(descriptor)
        checks.append(_skew("clock of the disk", os.fstat(descriptor).st_mtime - time.time()))
    finally:
        os.close(descriptor)
        os.unlink(name)
    return checks


def _skew(name: str, skew: float) -> Check:
    near = abs(skew) <= MOST_SKEW_S
    why = "agrees with this machine's" if near else (
        "seconds it is ahead of this machine's: windows and leases would begin at the wrong time. Let chrony or "
        "systemd-timesyncd set both"
    )  # fmt: skip
    return Check(name, round(skew, 3), MOST_SKEW_S, "pass" if near else "fail", why)


def permissions(ws: Workspace) -> list[Check]:
    """We may write where we must, and others may not read what is ours."""
    root = ws.home.root
    closed = [
        p.name for p in (root, ws.home.run, ws.home.spool, ws.home.records) if not os.access(p, os.W_OK | os.X_OK)
    ]
    mounted = os.statvfs(root).f_flag & os.ST_RDONLY
    cure = "its disk is mounted read-only, mount it to be written" if mounted else "chown -R $(id -un) the home"
    why = f"{', '.join(closed)} cannot be written: {cure}" if closed else "the home can be written"
    checks = [Check("home", len(closed), 0, "fail" if closed else "pass", why)]
    wide = [p.name for p in (ws.home.keys, ws.home.state_db) if p.exists() and p.stat().st_mode & 0o077]
    why = f"run: chmod go= {' '.join(wide)}" if wide else "keys and state are for their owner's eyes alone"
    return [*checks, Check("permissions", len(wide), 0, "fail" if wide else "pass", why)]


def room(ws: Workspace) -> Check:
    """Names for files do not run out before their bytes do."""
    found = os.statvfs(ws.home.root)
    if not found.f_files:
        return Check("inodes", None, FEWEST_INODES, "pass", "this file system has no bound of them")
    enough = found.f_favail > FEWEST_INODES
    why = "enough" if enough else "few files can be made: lower capture.keep_days or move the home (FAIRLEAD_HOME)"
    return Check("inodes", found.f_favail, FEWEST_INODES, "pass" if enough else "fail", why)


def database(ws: Workspace) -> Check:
    """The state answers, and how it is laid out."""
    from fairlead.ops.state.schema import HEAD

    began = time.monotonic()
    ws.state.generation()
    took = round((time.monotonic() - began) * 1000, 1)
    kind = "PostgreSQL" if ws.settings.state.url else "a file"
    if took <= SLOW_MS:
        return Check("state", took, SLOW_MS, "pass", f"{kind} of revision {HEAD} answers; milliseconds that it took")
    why = f"milliseconds that {kind} took to answer: look for what holds its disk, or for transactions that stay open"
    return Check("state", took, SLOW_MS, "fail", why)


def unread(ws: Workspace) -> list[Check]:
    """A state in the home that nobody reads, since the project names a database: it was never brought there."""
    if not ws.settings.state.url or not ws.home.state_db.exists():
        return []
    why = (
        "the home holds a state.db that nobody reads, since [state] url names a database. After a `restore` that was "
        "killed: empty the home and restore again. From a file to PostgreSQL: take the url out, back up, set it again "
        "and restore into an empty home (docs/how-to/postgres.md). If it is of no use any more, remove it"
    )
    return [Check("state of before", 1, 0, "fail", why)]


def agreed(ws: Workspace) -> Check:
    """What is published is what is intended, for every model of the home."""
    from fairlead.runtime.serve import read

    told = {route.model: route for route in read(ws.home.routes).routes}
    apart = []
    for model in ws.state.models():
        intent, route = ws.state.intent(model), told.get(model)
        if intent is None or not intent.variants:
            if route is not None and route.variants:
                apart.append(model)
        elif route is None or (route.variants, route.salt) != (tuple(intent.variants), intent.salt):
            apart.append(model)
    if not apart:
        return Check("routes", 0, 0, "pass", "what is published is what is intended")
    why = f"{', '.join(apart)}: what is published is not what is intended; `fairlead watch --once` publishes it again"
    return Check("routes", len(apart), 0, "fail", why)


def led(ws: Workspace) -> list[Check]:
    """Of several control planes one leads."""
    from fairlead.ops.flow.leading import lease_of, told

    if not ws.settings.state.url:
        return []
    lease = lease_of(ws)
    if lease is not None and lease.holds:
        left = lease.expires - lease.now
        fresh = ws.settings.state.lease_s - left
        why = f"{told(lease)}, its lease was renewed {max(fresh, 0.0):.1f} s ago and holds for {left:.1f} s more"
        return [Check("leader", lease.epoch, None, "pass", why)]
    ever = lease is not None
    why = "nobody leads: nothing is watched; start `fairlead up`" if ever else "nobody led yet: `fairlead up` begins"
    return [Check("leader", lease.epoch if lease else 0, None, "fail" if ever else "pass", why)]


def reachable(ws: Workspace) -> list[Check]:
    """Each address that the project names takes a connection. Nothing is sent."""
    checks = []
    for name, address in _addresses(ws):
        where = _host_and_port(address)
        if where is None:
            continue
        checks.append(_knock(name, *where))
    return checks


def _addresses(ws: Workspace) -> Iterator[tuple[str, str]]:
    asked = ws.settings
    yield "state.url", asked.state.url
    yield "registry.mlflow", asked.registry.mlflow
    yield "data.train", asked.data.train
    yield "telemetry.otlp", asked.telemetry.otlp
    yield "telemetry.events", asked.telemetry.events
    yield "access.jwks", asked.access.jwks or ""
    engine = getattr(asked, "engine", None)
    if engine is not None and engine.name != "local":
        yield "engine.connect", engine.connect
        yield "engine.master", engine.master
    for number, address in enumerate((*asked.alerts.to, *asked.alerts.escalate.to), 1):
        yield f"alerts.to {number}", address


def _host_and_port(address: str) -> tuple[str, int] | None:
    """None for what is no address of a network, or a service of many hosts that finds its own."""
    if "://" not in address or "${" in address:
        return None
    try:
        parts = urlsplit(address)
        scheme = parts.scheme.rpartition("+")[2] if parts.scheme.rpartition("+")[2] in ("http", "https") else (
            parts.scheme.partition("+")[0]
        )  # fmt: skip
        port = parts.port or _PORTS.get(scheme)
    except ValueError:
        return None
    if not parts.hostname or port is None or scheme not in _PORTS:
        return None
    return parts.hostname, port


def _knock(name: str, host: str, port: int) -> Check:
    try:
        with socket.create_connection((host, port), REACH_S):
            return Check(f"reach {name}", port, None, "pass", "takes connections")
    except socket.gaierror:
        why = "its name is not known here: see the address in fairlead.toml, and the DNS of this machine"
    except TimeoutError:
        why = f"does not answer within {REACH_S:.0f} s: a firewall or a network between does not let us through"
    except ConnectionRefusedError:
        why = "nothing listens there: start it, or mend the port in fairlead.toml"
    except OSError as error:
        why = f"cannot be reached: {error.strerror or type(error).__name__}"
    return Check(f"reach {name}", port, None, "fail", why)


def look(ws: Workspace, *, state: bool) -> list[Check]:
    """All of it. A check that cannot be made is a complaint, not the end. state: whether the state can be read."""
    found: list[Check] = []
    of_state = (database, unread, clocks, agreed, led) if state else ()
    for check in (versions, permissions, room, reachable, stored, *of_state):
        try:
            said = check(ws)
        except (FairleadError, OSError) as failure:
            why = str(failure) if isinstance(failure, FairleadError) else failure.strerror or type(failure).__name__
            said = Check(check.__name__, None, None, "fail", why)
        found += said if isinstance(said, list) else [said]
    return found
