"""What goes with a bundle that leaves its home: how the project wants it to answer and its records kept.

An image that left it at home would write down what the project redacts, and send nothing where the project looks.
"""

from __future__ import annotations

import msgspec

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.contract.routes import Route
from fairlead.contract.settings import ServeSettings
from fairlead.ops.flow.release import limits_of
from fairlead.reach.export.exported import Exported
from fairlead.runtime.serve.access.starting import VARIABLE
from fairlead.runtime.serve.terms import RECORDS_VARIABLE, REDACT_VARIABLE, Terms

OF_THIS_MACHINE = ("host", "port", "grpc_port", "platform", "tls_certificate", "tls_key", "tls_client_ca", "insecure",
                   "routes", "routes_keys", "hand_out", "instance", "native_python")  # fmt: skip
"""Settings of `[serve]` that say something of the machine that the project lies on."""


class Needed(msgspec.Struct, frozen=True):
    """A secret that a container takes from its environment. entry: its name in a Secret of Kubernetes. file: where the
    project has it, in words of a shell."""

    variable: str
    entry: str
    file: str


def terms_of(exported: Exported) -> Terms:
    """Raises ConfigInvalid for what only this machine has."""
    settings = exported.settings
    serve, capture, access = settings.serve, settings.capture, settings.access
    if access.jwks and "://" not in access.jwks:
        raise ConfigInvalid(
            f"{access.jwks} is a file of this machine, which no container has.", key="access.jwks", cure="Name a URL."
        )
    plain = ServeSettings()
    return Terms(
        route=exported.route or Route(model=exported.model, variants=()),
        limits=limits_of(settings),
        server=msgspec.structs.replace(serve, **{name: getattr(plain, name) for name in OF_THIS_MACHINE}),
        access=access,
        capture=msgspec.structs.replace(capture, encrypt=encrypting(exported)),
        telemetry=settings.telemetry,
    )


def encrypting(exported: Exported) -> str:
    """Where a container takes the key for records at rest from: a variable; "" where they are not encrypted."""
    source = exported.encrypted
    return source if not source or source.startswith("env:") else f"env:{RECORDS_VARIABLE}"


def needed(exported: Exported) -> tuple[Needed, ...]:
    """The secrets that records are kept with."""
    found = []
    if exported.route is not None and exported.route.redact:
        found.append(Needed(REDACT_VARIABLE, "redact-key", ".fairlead/keys/redact.key"))
    if exported.encrypted:
        found.append(Needed(encrypting(exported).removeprefix("env:"), "records-key", "THE-FILE-WITH-IT"))
    return tuple(found)


def secrets_of(exported: Exported) -> tuple[Needed, ...]:
    """All that a container takes from a cloud's store of secrets: the key that callers say, and those of records."""
    return (Needed(VARIABLE, "key", ""), *needed(exported))


def without_secrets(exported: Exported, where: str) -> tuple[str, ...]:
    """What to know where an export hands no secret over. Raises UsageError where nothing would start or answer so."""
    access = exported.settings.access
    if exported.encrypted:
        asked = "[capture] encrypt"
    elif access.required and not (access.jwks or access.issuer):
        asked = "[access] required"
    else:
        redacts = exported.route is not None and exported.route.redact
        said = "what the project redacts has another hash on each server, as each makes a key of its own."
        return (f"No secret reaches {where}: {said}",) if redacts else ()
    raise UsageError(
        f"{asked} takes a key, and this export hands none to {where}: use Fargate (serve=ecs) or Kubernetes, or do "
        "without it there."
    )
