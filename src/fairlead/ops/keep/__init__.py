"""Keeping a home: backups to any store, and homes brought back from them, once or all the time."""

from fairlead.ops.keep.bringing import Restored, fill, restore
from fairlead.ops.keep.following import follow, promote
from fairlead.ops.keep.locking import KeyLock, lock_of
from fairlead.ops.keep.taking import BackedUp, backup, verify_backup

__all__ = [
    "BackedUp",
    "KeyLock",
    "Restored",
    "backup",
    "fill",
    "follow",
    "lock_of",
    "promote",
    "restore",
    "verify_backup",
]
