"""A champion that took over lately is still watched beside the one before: its errors, and its losses on labels."""

from __future__ import annotations

from fairlead.ops.flow.counting import counted
from fairlead.ops.flow.guarding import CHAMPION_ALPHA, DAY, champion_guard
from fairlead.ops.flow.situation import Live
from fairlead.ops.flow.tracker import Tracker
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.state import Intent


def failing(ws: Workspace, intent: Intent, tracker: Tracker) -> tuple[tuple[str, ...], Live | None]:
    """What fails on the champion since it took over, in words, and the version to go back to.

    Nothing after `rollout.max_days`: from then on it is the champion that others are compared with.
    """
    counting = counted(ws)
    promoted = counting.promoted
    guard = champion_guard(ws, intent, counting)
    champion = next((v for v in intent.variants if v.name == "champion"), None)
    if promoted is None or champion is None or champion.version != promoted.version or intent.previous is None:
        return (), None
    if ws.clock() - promoted.at > ws.settings.rollout.max_days * DAY or intent.previous != promoted.previous:
        return (), None
    found = []
    if guard is not None and guard.outcome == "fails":
        found.append(f"errors ({guard.why})")
    earlier = ws.state.version(ws.model, intent.previous)
    # Who replaced the champion by hand, without trying, has said that the two are not to be compared.
    if promoted.tried and tracker.champion == champion.bundle and intent.rollout is None:
        worse = _worse(ws, earlier.bundle, champion.bundle, tracker)
        if worse:
            found.append(f"loss ({worse})")
    lineage = ws.load(earlier.bundle).manifest.lineage
    return tuple(found), Live(earlier.bundle, lineage.trained_to, lineage.trained_to, earlier.number)


def _worse(ws: Workspace, earlier: str, champion: str, tracker: Tracker) -> str:
    """Why the champion is worse than its predecessor on the rows since it took over; "" where that is not proven."""
    from fairlead.ops.flow.trial import gathered, verdict_on

    evidence = gathered(ws, earlier, champion, tracker.released, tracker)
    verdict, _ = verdict_on(evidence, ws.settings.rollout.max_loss, (0.5, 0.5), CHAMPION_ALPHA)
    return verdict.why if verdict is not None and verdict.outcome == "fail" else ""
