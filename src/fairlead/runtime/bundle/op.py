"""What every operation on one number is."""

from __future__ import annotations

import msgspec


class Op(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op"):
    """One operation; NaN is a missing value and passes through all but Impute and Missing."""
