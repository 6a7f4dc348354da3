"""Everything Fairlead raises on purpose, drawn as one tree.

FairleadError                     the root: catch this to catch us
├── UsageError                    the caller can mend it (exit 2, HTTP 400)
│   ├── ConfigInvalid             fairlead.toml: file, line, key, nearest valid key
│   ├── NotAProject               no fairlead.toml here or above
│   ├── MissingExtra              a library is not installed; carries the install line
│   ├── SourceUnreadable          a table cannot be opened or parsed; carries the place
│   └── UnknownPlugin             no variant of that name behind a port
├── InputInvalid                  rows that do not fit the signature (HTTP 400)
│   ├── BodyInvalid               not JSON, or not the shape a protocol asks for
│   ├── BodyTooLarge              over the stated limit (HTTP 413)
│   ├── TooManyRows               more rows than a call takes at once (HTTP 413)
│   ├── MediaUnsupported          a content type or encoding that is not taken (HTTP 415)
│   ├── ColumnMissing             columns the model needs
│   ├── ColumnUnknown             columns the model does not know
│   ├── CellInvalid               one cell: row, column, kind found, what is allowed
│   └── ShapeMismatch             lengths or bins that do not agree
├── Unauthenticated               no key or token, or one that does not hold (HTTP 401)
├── Forbidden                     a caller that may not do this (HTTP 403)
│   └── PurposeRefused            a key's purpose is none that the model is meant for
├── TooManyRequests               a caller over its own limits; carries retry_after_s (HTTP 429)
├── NotOffered                    a call that this server knows and does not offer (HTTP 501)
├── NotFound                      (HTTP 404)
│   ├── ModelNotFound             no route of that name
│   ├── VersionNotFound           no such registered version
│   ├── BundleNotFound            no such bundle in the store
│   └── ObjectNotFound            no object of that name in a store
├── Refused                       a rule said no (exit 3, HTTP 403 or 409)
│   ├── BundleRefused             seal, hash, format or golden replay failed
│   ├── GateFailed                the verdict is fail
│   ├── NotAttested               nothing passing vouches for this bundle
│   ├── HeldByHuman               a person pinned, froze or rolled back this model
│   ├── Frozen                    a span in which nothing that answers is changed
│   ├── NotLearnable              labels that would teach a model the wrong thing
│   └── LicenceRefused            a licence that an image must not carry unsaid
├── Inconclusive                  not enough evidence either way (exit 4)
├── NotCompilable                 no allow-listed form reproduces this model
├── Unanswerable                  the model's answer to a row is no finite number (HTTP 422)
├── ExpectationBroken             a row that breaks a rule of the data contract that refuses (HTTP 422)
├── OutsidePopulation             a row that the model is not meant for, as its project says (HTTP 422)
├── Busy                          over capacity; carries retry_after_s (HTTP 503)
├── ModelUnavailable              routed, but its bundle cannot be loaded (HTTP 503)
├── DeadlineExceeded              not answered in time (HTTP 504)
├── StateError                    the state database cannot be used as it is
│   ├── FormatUnknown             written by a newer Fairlead
│   ├── NotLeader                 another control plane leads: this one writes nothing
│   └── AuditBroken               the audit chain does not verify
└── RemoteError                   another process or service did not do its part
    ├── ServerUnreachable         no Fairlead server answers at that address
    ├── StoreFailed               a store refuses, does not answer, or answers what it should not
    │   ├── ObjectDamaged         bytes in a store that are not those that were put there
    │   ├── ObjectExists          an object that was to be put only if there was none
    │   └── ObjectTooLarge        more bytes than are read at once
    ├── WorkersDied               a server's workers ended before any was ready
    └── NativeFailed              a native model raised, or its process ended

Exit codes and HTTP codes are given by `doors` and `runtime/wire`, not here.
Messages never contain the value of a cell, a secret, or a path of the server.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FairleadError(Exception):
    """The root of all errors raised on purpose."""


class UsageError(FairleadError):
    """The caller can mend this."""


class ConfigInvalid(UsageError):
    """A setting that cannot be used: says where, what was found and what would be right."""

    def __init__(self, what: str, *, file: str = "", line: int = 0, key: str = "", cure: str = "") -> None:
        self.file, self.line, self.key, self.cure = file, line, key, cure
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        name = f"{key}: " if key else ""
        super().__init__(f"{place}{name}{what}" + (f" {cure}" if cure else ""))


class NotAProject(UsageError):
    """No fairlead.toml here or in a folder above."""


class MissingExtra(UsageError):
    """A library behind an extra is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        self.library, self.extra = library, extra
        super().__init__(f"{library} is not installed. Install it with: pip install 'fairlead[{extra}]'")


class SourceUnreadable(UsageError):
    """A table cannot be opened or parsed."""


class UnknownPlugin(UsageError):
    """No variant of that name behind a port."""

    def __init__(self, port: str, name: str, known: Iterable[str]) -> None:
        self.port, self.name = port, name
        every = sorted(known)
        near = difflib.get_close_matches(name, every, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        super().__init__(f"unknown {port.replace('_', ' ')}: {name!r}.{meant} Known: {', '.join(every)}.")


class InputInvalid(FairleadError):
    """Rows that do not fit the model's signature."""


class BodyInvalid(InputInvalid):
    """Not JSON, or not the shape that the protocol asks for."""


class BodyTooLarge(InputInvalid):
    """A body over the stated limit."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(f"body is larger than the limit of {limit_bytes} bytes")


class TooManyRows(InputInvalid):
    """More rows than a call takes at once."""

    def __init__(self, rows: int, limit: int) -> None:
        self.rows, self.limit = rows, limit
        super().__init__(f"{rows} rows at once, the limit is {limit}: ask in several requests")


class MediaUnsupported(InputInvalid):
    """A content type or content encoding that this address does not take."""


class ColumnMissing(InputInvalid):
    """Columns that the model needs and the input lacks."""

    def __init__(self, missing: Iterable[str], expected: Iterable[str], row: int | None = None) -> None:
        self.missing, self.expected, self.row = tuple(missing), tuple(expected), row
        where = "" if row is None else f"row {row}: "
        super().__init__(
            f"{where}columns missing: {', '.join(self.missing)}. This model expects: {', '.join(self.expected)}."
        )


class ColumnUnknown(InputInvalid):
    """Columns that the model does not know."""

    def __init__(self, unknown: Iterable[str], expected: Iterable[str], row: int | None = None) -> None:
        self.unknown, self.expected, self.row = tuple(unknown), tuple(expected), row
        where = "" if row is None else f"row {row}: "
        super().__init__(
            f"{where}columns unknown: {', '.join(self.unknown)}. This model expects: {', '.join(self.expected)}."
        )


class CellInvalid(InputInvalid):
    """One cell that does not fit its column. Says the kind found, never the value."""

    def __init__(self, row: int, column: str, found: str, allowed: str) -> None:
        self.row, self.column, self.found, self.allowed = row, column, found, allowed
        super().__init__(f"row {row}, column {column!r}: found {found}, allowed: {allowed}")


class ShapeMismatch(InputInvalid):
    """Lengths, shapes or bins that do not agree."""


class Unauthenticated(FairleadError):
    """No key or token was given, or it does not hold. Never says which."""


class Forbidden(FairleadError):
    """The caller is known and may not do this; says what it lacks."""


class PurposeRefused(Forbidden):
    """The purpose that a key was given for is not among the model's intended uses."""


class TooManyRequests(FairleadError):
    """A caller is over its own limits. `retry_after_s`: seconds after which trying again makes sense."""

    def __init__(self, what: str, retry_after_s: int = 1) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(what)


class NotOffered(FairleadError):
    """A call that this server knows and does not offer."""


class NotFound(FairleadError):
    """Something named does not exist."""


class ModelNotFound(NotFound):
    """No model of that name is served."""


class VersionNotFound(NotFound):
    """No such registered version."""


class BundleNotFound(NotFound):
    """No such bundle in the store."""


class ObjectNotFound(NotFound):
    """A store has no object of that name."""


class Refused(FairleadError):
    """A rule said no."""


class BundleRefused(Refused):
    """A bundle whose seal, hashes, format or golden answers do not hold; the reason is the message."""


class GateFailed(Refused):
    """The verdict on a bundle is fail."""


class NotAttested(Refused):
    """Nothing passing vouches for this bundle."""


class HeldByHuman(Refused):
    """A person pinned, froze or rolled back this model; only a person lifts that."""


class Frozen(Refused):
    """The calendar of this project says that nothing is changed now; it says until when."""


class NotLearnable(Refused):
    """The labels that came would teach a model the wrong thing."""


class LicenceRefused(Refused):
    """Software under a licence that asks more of who passes it on than to name it, and nobody has said so."""


class Inconclusive(FairleadError):
    """Not enough evidence either way."""


class NotCompilable(FairleadError):
    """No allow-listed form reproduces this model; says which part and why."""


class Unanswerable(FairleadError):
    """A row that fits the signature and to which the model's answer is infinite or no number."""

    def __init__(self, row: int) -> None:
        self.row = row
        super().__init__(f"row {row}: the model's answer is not a finite number, so there is none to give")


class OutsidePopulation(FairleadError):
    """A row that fits the signature and is not of the population that the model is meant for. said: the condition that
    does not hold, as the project wrote it; it names columns and limits, never a cell.
    """

    def __init__(self, row: int, said: str) -> None:
        self.row, self.said = row, said
        super().__init__(f"row {row}: outside the population that this model is meant for ({said})")


class ExpectationBroken(FairleadError):
    """A row that fits the signature and breaks a rule of the data contract that refuses such rows. said: the rule; it
    names columns and limits, never a cell. rule: its name, `column.check`.
    """

    def __init__(self, row: int, rule: str, said: str, column: str = "") -> None:
        self.row, self.rule, self.said, self.column = row, rule, said, column
        super().__init__(f"row {row}: breaks the data contract ({said})")


class Busy(FairleadError):
    """Over capacity. `retry_after_s`: seconds after which trying again makes sense."""

    def __init__(self, retry_after_s: int = 1) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("the server is at capacity, try again later")


class ModelUnavailable(FairleadError):
    """A model that is routed and cannot be loaded for now; says why. `retry_after_s`: when it is tried again."""

    def __init__(self, model: str, why: str, retry_after_s: int = 5) -> None:
        self.model, self.retry_after_s = model, retry_after_s
        super().__init__(f"model {model!r} cannot be served: {why}")


class DeadlineExceeded(FairleadError):
    """Not answered in time."""


class StateError(FairleadError):
    """The state database cannot be used as it is."""


class FormatUnknown(StateError):
    """Something on disk was written in a format this version does not know."""


class NotLeader(StateError):
    """Another control plane leads by now, or none is known to: what this one wanted to write was refused."""


class AuditBroken(StateError):
    """The audit chain does not verify; the message names the first bad event."""


class RemoteError(FairleadError):
    """Another process or service did not do its part."""


class ServerUnreachable(RemoteError):
    """No Fairlead server answers at that address."""


class StoreFailed(RemoteError):
    """A store refuses, does not answer, or answers what it should not."""


class ObjectDamaged(StoreFailed):
    """The bytes of an object are not those that it was stored with, or not those that were expected."""


class ObjectExists(StoreFailed):
    """There is an object of that name, and it was to be put only if there was none."""


class ObjectTooLarge(StoreFailed):
    """An object has more bytes than are read at once."""


class WorkersDied(RemoteError):
    """Workers of a server ended again and again before any was ready, so nobody was ever answered."""


class NativeFailed(RemoteError):
    """A model that runs in a process of its own raised (`raised`), or that process ended. Says the kind, no more."""

    def __init__(self, what: str, *, raised: bool = False) -> None:
        self.raised = raised
        super().__init__(what)
