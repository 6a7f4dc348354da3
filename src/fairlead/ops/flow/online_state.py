"""What a model that learns label by label keeps between passes: itself, how far labels were read, what waits.

One signed file of the home, replaced whole, so a process that is killed goes on where it says.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.contract.plugins import variant
from fairlead.ops.flow.definitions import table_is_older
from fairlead.ops.flow.gathering import gather
from fairlead.ops.flow.making import champion_bundle
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.project.triggers import Trigger, parse_trigger
from fairlead.runtime.bundle.sealing import write
from fairlead.runtime.capture import keys
from fairlead.runtime.capture.label_stream import Identity, Position
from fairlead.runtime.capture.locking import lock_file, unlock_file

if TYPE_CHECKING:
    from fairlead.lab.train.streaming.learning import Learning

FOLDER = "learning"
MOST_FIRST = 200_000
"""Rows of the training table that it begins with at most: the newest."""
FEWEST_JUDGED, MOST_JUDGED = 50, 1_000
USUAL_ROWS = 1_000


class Place(msgspec.Struct):
    """How far labels were learned from. Written as the cursor of the state.

    waiting: labels whose records are not there yet. learned, again, corrected, other, unknown, dropped: labels since
    the beginning: learned, those of them that told another truth than before; left out as they told what was learned
    already, are of another definition or of no class; dropped: waited in vain. sealed_rows, sealed_at: at the newest
    seal. forgotten: requests to forget that
    were honoured here.
    """

    began: float
    sealed_at: float
    position: Position = Position()
    waiting: tuple[Identity, ...] = ()
    learned: int = 0
    corrected: int = 0
    again: int = 0
    other: int = 0
    unknown: int = 0
    dropped: int = 0
    sealed_rows: int = 0
    seals: int = 0
    forgotten: tuple[str, ...] = ()


class SealRule(msgspec.Struct, frozen=True):
    """When what was learned becomes a version. keep: newest rows that are judged on before they are learned."""

    triggers: tuple[Trigger, ...]
    keep: int

    def due(self, rows: int, seconds: float) -> str:
        """Why it is time, "" where it is not. rows, seconds: since the newest seal."""
        for one in self.triggers:
            if one.rows and rows >= one.rows:
                return f"{rows:,} labels learned since the version before"
            if one.seconds and rows and seconds >= one.seconds:
                return f"{seconds / 3600:.1f} hours since the version before, {rows:,} labels learned"
        return ""


def seal_rule(ws: Workspace) -> SealRule:
    """As `[retrain] seal` says."""
    triggers = tuple(parse_trigger(text) for text in ws.settings.retrain.seal)
    rows = min((one.rows for one in triggers if one.rows), default=USUAL_ROWS)
    keep = round(ws.settings.data.holdout * rows)
    return SealRule(triggers, min(MOST_JUDGED, max(FEWEST_JUDGED, keep)))


def state_path(ws: Workspace) -> Path:
    """The file of this model."""
    return Path(ws.home.root / FOLDER / f"{ws.model}.state")


def require_able(ws: Workspace) -> None:
    """Raises ConfigInvalid, UsageError where this model cannot learn label by label, MissingExtra."""
    settings, name = ws.settings, ws.settings.retrain.online
    if not name:
        raise ConfigInvalid(
            "nothing says what learns label by label.", key="retrain.online",
            cure='Set [retrain] online = "online_linear" or "online_tree" in fairlead.toml.',
        )  # fmt: skip
    learner = variant("learner", name)
    if settings.model.task not in learner.tasks:
        raise ConfigInvalid(
            f"{name} learns {' and '.join(learner.tasks)}, this model's task is {settings.model.task}.",
            key="retrain.online", cure="Leave it empty: `fairlead retrain` makes successors of such models.",
        )  # fmt: skip
    champion = champion_bundle(ws)
    if champion is None:
        raise UsageError("nothing is deployed yet: `fairlead up` or `fairlead deploy` first.")
    signature = ws.load(champion).signature
    hidden = set(settings.capture.redact) & set(signature.names)
    if hidden or any(column.kind == "tensor" for column in signature.columns):
        what = f"hidden columns ({', '.join(sorted(hidden))})" if hidden else "tensors"
        raise UsageError(f"this model takes {what}, of which records keep too little to learn from them.")


def opened(ws: Workspace, anew: bool) -> tuple[Learning, Place, str]:
    """The state, and why it was begun anew, "" where it goes on. anew: whatever there is, begin."""
    path = state_path(ws)
    if anew or not path.exists():
        return *_begun(ws), "asked for" if anew and path.exists() else "nothing was learned yet"
    learning = loaded(ws)
    place = msgspec.json.decode(learning.cursor, type=Place)
    changed = _changed(ws, learning)
    if changed:
        return *_begun(ws), changed
    learning.settings = ws.settings
    return learning, place, ""


def _changed(ws: Workspace, learning: Learning) -> str:
    """Why what was learned is of no use any more."""
    now, then = ws.settings, learning.settings
    if learning.learner != now.retrain.online:
        return f"[retrain] online was {learning.learner}"
    for section in ("model", "preparation"):
        if getattr(now, section) != getattr(then, section):
            return f"[{section}] was changed"
    return ""


def _begun(ws: Workspace) -> tuple[Learning, Place]:
    """Begun with the training table; labels follow from the first there is."""
    from fairlead.lab.train.streaming.learning import Learning

    gathered = gather(ws)
    if table_is_older(ws, gathered.tables):
        raise UsageError(
            f"the training table is of another definition of {ws.settings.model.target!r}: give [data] train rows of "
            f"definition {ws.settings.model.definition!r} to begin with."
        )
    frame: Any = gathered.frame.tail(MOST_FIRST)
    key = ws.settings.model.id
    if key is not None and key in frame:
        # Keys come back from records as text.
        frame = frame.assign(**{key: frame[key].astype(str)})
    learning = Learning.begin(frame, ws.settings, ws.settings.retrain.online)
    now = ws.clock()
    return learning, Place(began=now, sealed_at=now, sealed_rows=learning.rows)


def loaded(ws: Workspace) -> Learning:
    """What `save` wrote. Raises UsageError, FormatUnknown for anything else, ConfigInvalid for a key that is not to
    be had."""
    from fairlead.lab.train.streaming.learning import Learning

    path = state_path(ws)
    return Learning.of(unlock_file(path.read_bytes(), ws.home.root, path.name), ws.trusted, path.name)


def save(ws: Workspace, learning: Learning, place: Place) -> None:
    """Learning and place, together or not at all; encrypted where records are: it holds rows of theirs."""
    path = state_path(ws)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    learning.cursor = msgspec.json.encode(place).decode()
    data, key = learning.signed(ws.key), keys.current(ws.home.root)
    write(path, data if key is None else lock_file(data, key, path.name))
