"""Errors as HTTP codes; the one place in the runtime that knows them."""

from __future__ import annotations

from fairlead.contract import errors

STATUS: dict[type[BaseException], int] = {
    errors.MediaUnsupported: 415,
    errors.BodyTooLarge: 413,
    errors.TooManyRows: 413,
    errors.InputInvalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.HeldByHuman: 409,
    errors.Refused: 403,
    errors.UsageError: 400,
    errors.Unanswerable: 422,
    errors.OutsidePopulation: 422,
    errors.ExpectationBroken: 422,
    errors.TooManyRequests: 429,
    errors.NotOffered: 501,
    errors.Busy: 503,
    errors.ModelUnavailable: 503,
    errors.DeadlineExceeded: 504,
}

FAULT = "the model could not answer this request"
"""What a client reads about a fault of ours: no path, no trace, no value."""


def status_of(error: BaseException) -> int:
    """The code of the nearest class of `error` in the table; 500 for what was not raised on purpose."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


_CHALLENGE = (("www-authenticate", 'Bearer realm="fairlead"'),)
"""HTTP Basic is taken, too, and not asked for: browsers would put a window of their own before the page that asks."""


def headers_of(error: BaseException) -> tuple[tuple[str, str], ...]:
    """What belongs to an error besides its code: how to authenticate, and when to try again."""
    if isinstance(error, errors.Unauthenticated):
        return _CHALLENGE
    if isinstance(error, (errors.Busy, errors.ModelUnavailable, errors.TooManyRequests)):
        return (("retry-after", str(error.retry_after_s)),)
    return ()


def message_of(error: BaseException) -> str:
    """What the client may read: messages raised on purpose as they are, anything else as a fault."""
    return FAULT if status_of(error) == 500 else str(error)
