"""Two hundred models in one server: loaded when first asked, bounded by memory, and each fails alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import stand_in
from asking import ROW, Server, ask, plane, server
from tests.conftest import eventually

from fairlead.contract.errors import BundleRefused, ModelUnavailable
from fairlead.contract.routes import Limits, Route, Routes, Variant
from fairlead.runtime.capture import collect, reconcile
from fairlead.runtime.serve import live_workers, publish
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.fleet import Fleet

MANY = 80


def bundle(number: int) -> str:
    return f"{number:064x}"


def many(home: Path, count: int = MANY, bad: tuple[int, ...] = (), generation: int = 1, **limits: Any) -> None:
    for number in range(count):
        kept: dict[str, Any] = {"refuse": "the seal does not hold"} if number in bad else {"shift": number / 100}
        stand_in.write(home / "bundles" / bundle(number), **kept)
    routes = tuple(Route(f"m{n}", (Variant("champion", bundle(n), 1),)) for n in range(count))
    publish(home / "routes.json", Routes(generation, routes, redact_key="0a", limits=Limits(**limits)))


@pytest.fixture
def loaded() -> list[str]:
    return []


def fleet_of(
    home: Path, loaded: list[str], count: int, bad: tuple[int, ...] = (), **limits: Any
) -> tuple[Fleet, Routes]:
    """A fleet whose every load is noted."""
    many(home, count, bad, **limits)

    def load(folder: Path, trusted: Any) -> stand_in.StandIn:
        loaded.append(folder.name)
        return stand_in.load(folder, trusted)

    routes = tuple(Route(f"m{n}", (Variant("champion", bundle(n), 1),)) for n in range(count))
    made = Fleet(lambda name: home / "bundles" / name, load, Counters(home / "counters.bin"))
    return made, Routes(1, routes, redact_key="0a", limits=Limits(**limits))


def test_many_models_are_loaded_when_first_asked(tmp_path: Path) -> None:
    many(tmp_path)
    with server(tmp_path) as running, httpx.Client(base_url=running.url) as client:
        assert live_workers(tmp_path)[0].models[:2] == ("m0", "m1")
        assert len(client.get("/v2/models").json()["models"]) == MANY
        assert client.get("/health/ready").status_code == 200
        for number in (0, 7, MANY - 1, 7):
            reply = client.post(f"/predict/m{number}", json=ROW)
            assert reply.status_code == 200, reply.text
            expected = stand_in.scored(ROW, number / 100)
            assert reply.json()["predictions"][0]["probabilities"]["Yes"] == pytest.approx(expected, abs=1e-12)
        assert client.get("/v2/models/m5").json()["name"] == "m5"
        assert client.get("/v2/models/m6/ready").json() == {"name": "m6", "ready": True}
        assert client.post("/predict/nobody", json=ROW).status_code == 404
    collect(tmp_path)
    assert reconcile(tmp_path).ok


def test_all_of_them_asked_at_once_are_all_answered(tmp_path: Path) -> None:
    many(tmp_path)
    with server(tmp_path) as running:
        codes = [reply.code for reply in asked_at_once(running)]
    assert codes == [200] * MANY


def asked_at_once(running: Server) -> list[Any]:
    import asyncio

    class Reply:
        def __init__(self, code: int) -> None:
            self.code = code

    async def all_of_them() -> list[Reply]:
        async with httpx.AsyncClient(base_url=running.url, timeout=30.0) as client:
            found = await asyncio.gather(*(client.post(f"/predict/m{n}", json=ROW) for n in range(MANY)))
        return [Reply(one.status_code) for one in found]

    return asyncio.run(all_of_them())


def test_one_bad_bundle_hurts_no_other(tmp_path: Path) -> None:
    many(tmp_path, bad=(3,))
    with server(tmp_path) as running, httpx.Client(base_url=running.url) as client:
        assert client.post("/predict/m2", json=ROW).status_code == 200
        reply = client.post("/predict/m3", json=ROW)
        assert reply.status_code == 503
        assert "the seal does not hold" in reply.json()["error"]
        assert reply.headers["retry-after"] == "5"
        assert client.post("/predict/m4", json=ROW).status_code == 200


def test_of_a_few_models_a_bad_one_leaves_the_others_serving_and_is_said(tmp_path: Path) -> None:
    many(tmp_path, 3, bad=(1,))
    with server(tmp_path) as running, httpx.Client(base_url=running.url) as client:
        assert client.post("/predict/m0", json=ROW).status_code == 200
        assert client.post("/predict/m1", json=ROW).status_code == 503
        found = eventually(lambda: live_workers(tmp_path)[0].refused, 30.0, "the refusal")
        assert "the seal does not hold" in found


def test_a_deploy_that_cannot_be_is_refused_and_what_ran_runs_on(tmp_path: Path, loaded: list[str]) -> None:
    fleet, routes = fleet_of(tmp_path, loaded, 20, bad=(19,))
    fleet.take(routes)
    assert loaded == []
    fleet.wake("m1")
    changed = (*routes.routes[:5], Route("m5", (Variant("champion", bundle(19), 2),)), *routes.routes[6:])
    with pytest.raises(BundleRefused, match="seal"):
        fleet.take(Routes(2, changed, redact_key="0a"))
    assert fleet.wake("m2").generation == 1
    assert loaded == [bundle(1), bundle(19), bundle(2)]


def test_a_deploy_loads_what_changed_and_keeps_what_runs(tmp_path: Path, loaded: list[str]) -> None:
    fleet, routes = fleet_of(tmp_path, loaded, 20)
    fleet.take(routes)
    before = fleet.wake("m1").deployed["m1"]
    changed = (*routes.routes[:5], Route("m5", (Variant("champion", bundle(6), 2),)), *routes.routes[6:])
    serving = fleet.take(Routes(2, changed, redact_key="0a"))
    assert loaded == [bundle(1), bundle(6)]
    assert set(serving.deployed) == {"m1", "m5"}
    assert serving.deployed["m1"] is before


def test_the_least_used_are_let_go_when_memory_is_short(tmp_path: Path, loaded: list[str]) -> None:
    fleet, routes = fleet_of(tmp_path, loaded, 6, max_models_bytes=1)
    fleet.take(routes)
    for number in range(6):
        serving = fleet.wake(f"m{number}")
        assert f"m{number}" in serving.deployed
        assert len(serving.deployed) == 1
        assert len(serving.asleep) == 5
    assert fleet.wake("m0").deployed.keys() == {"m0"}
    assert loaded[-1] == bundle(0)


def test_the_bound_holds_while_all_are_asked(tmp_path: Path) -> None:
    many(tmp_path, 30, max_models_bytes=1)
    with plane(tmp_path) as app:
        for _ in range(2):
            for number in range(30):
                reply = ask(app, ROW, path=f"/predict/m{number}")[0]
                assert reply.code == 200
        assert len(app._serving.deployed) == 1
    collect(tmp_path)
    books = reconcile(tmp_path)
    assert books.ok
    assert books.answered == 60


def test_a_model_that_failed_is_tried_again_later_not_at_once(tmp_path: Path, loaded: list[str]) -> None:
    fleet, routes = fleet_of(tmp_path, loaded, 20, bad=(3,))
    fleet.take(routes)
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(ModelUnavailable):
            fleet.wake("m3")
    assert time.monotonic() - began < 5.0
    assert loaded == [bundle(3)]
