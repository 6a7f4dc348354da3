"""The document and the page about 200 models are made piece by piece: nobody's prediction waits for them."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import schemathesis
import stand_in
from asking import ROW

from fairlead.contract.ports import Request
from fairlead.contract.routes import Route, Routes, Variant
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.deployed import Serving, deploy
from fairlead.runtime.serve.metrics import Scene
from fairlead.runtime.serve.observing.watch import Watch
from fairlead.runtime.serve.pages import Pages
from fairlead.runtime.serve.plane import DataPlane

MODELS = 200
HELD_S = 0.05
"""Of processor time, in one turn: ten times what is meant, as a busy machine has turns of its own. It was 0.4."""


def fleet(folder: Path, models: int = MODELS) -> DataPlane:
    """A plane that has loaded that many models."""
    folder.mkdir(parents=True, exist_ok=True)
    counters = Counters(folder / "c.bin")
    routes = tuple(Route(f"model{at:03}", (Variant("champion", "a" * 64, 1),)) for at in range(models))
    loaded = {"a" * 64: stand_in.StandIn(0.5)}
    serving = Serving(Routes(1, routes), [deploy(route, loaded, counters) for route in routes], counters)
    watch = Watch(counters)
    pages = Pages(counters, lambda serving: Scene(serving, [], [], None, "http"), watch)
    return DataPlane(serving, pages, None, counters, watch=watch)


class Asking:
    """Requests on a loop, and the longest that the loop's thread worked in one go meanwhile."""

    def __init__(self, plane: DataPlane) -> None:
        self.plane, self.held = plane, 0.0

    async def ask(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        said: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

        def reply(code: int, told: Sequence[tuple[str, str]], body: bytes) -> None:
            self.etag = dict(told).get("etag", "")
            said.set_result((code, body))

        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(method, path, "", sent, body, time.time(), reply)
        began = time.thread_time()
        self.plane.answer([request])
        self.held = max(self.held, time.thread_time() - began)
        assert said.done() or request.later, "neither answered nor to be answered later"
        return await said

    async def predict_until(self, done: asyncio.Future[object]) -> int:
        """How many predictions were answered while something else was in the making."""
        count = 0
        while not done.done():
            began = time.thread_time()
            await asyncio.sleep(0)
            self.held = max(self.held, time.thread_time() - began)
            code, _ = await self.ask("/predict/model000", "POST", json.dumps(ROW).encode())
            assert code == 200
            count += 1
        return count


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_predictions_go_on_while_it_is_made(tmp_path: Path, path: str) -> None:
    asking = Asking(fleet(tmp_path))

    async def both() -> tuple[tuple[int, bytes], int]:
        asked = [asyncio.create_task(asking.ask(path)) for _ in range(3)]
        predicted = await asking.predict_until(asked[0])
        first, *others = await asyncio.gather(*asked)
        assert others == [first, first]
        return first, predicted

    # As a server does before it forks: what was there before is none of this collector's business.
    gc.collect()
    gc.freeze()
    try:
        (code, body), predicted = asyncio.run(both())
    finally:
        gc.unfreeze()
    assert code == 200
    assert b"model199" in body
    assert predicted > 4
    assert asking.held < HELD_S, f"the loop was held for {asking.held * 1000:.0f} ms"


def test_made_in_pieces_it_is_the_same_document(tmp_path: Path) -> None:
    asking = Asking(fleet(tmp_path / "one", 40))

    async def ask() -> tuple[bytes, bytes, bytes]:
        whole, own = await asking.ask("/openapi.json"), await asking.ask("/models/model039/openapi.json")
        assert (whole[0], own[0]) == (200, 200)
        assert (await asking.ask("/openapi.json", if_none_match=asking.etag))[0] == 200
        assert (await asking.ask("/models/model039/openapi.json", if_none_match=asking.etag))[0] in {200, 304}
        assert (await asking.ask("/models/none/openapi.json"))[0] == 404
        assert (await asking.ask("/openapi.json", "POST"))[0] == 405
        return whole[1], own[1], (await asking.ask("/docs"))[1]

    at_once = fleet(tmp_path / "other", 40)
    told: list[bytes] = []
    for path in ("/openapi.json", "/models/model039/openapi.json", "/docs"):
        # Without a loop nobody waits, and it is made at once.
        at_once.answer([Request("GET", path, "", {}, b"", time.time(), lambda code, head, body: told.append(body))])
    assert asyncio.run(ask()) == tuple(told)
    schemathesis.openapi.from_dict(json.loads(told[0])).validate()


def test_a_generation_that_comes_meanwhile_is_told_by_its_own_document(tmp_path: Path) -> None:
    plane, later = fleet(tmp_path / "one", 40), fleet(tmp_path / "two", 3)
    asking = Asking(plane)

    async def ask() -> tuple[bytes, bytes]:
        before = asyncio.create_task(asking.ask("/openapi.json"))
        await asyncio.sleep(0)
        plane.swap(later._serving)
        after = await asking.ask("/openapi.json")
        return (await before)[1], after[1]

    before, after = asyncio.run(ask())
    assert b"model039" in before
    assert b"model039" not in after
    assert b"model002" in after
