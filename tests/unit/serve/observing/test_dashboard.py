"""The dashboard: every expression is PromQL, every name is on the page, and the files come with the package."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from test_metrics_page import promtool

from fairlead.runtime.serve.observing.families import FAMILIES

FILES = files("fairlead.runtime.serve.observing").joinpath("files")
FILLED = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*", "$model": ".*"}


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILES.joinpath("fairlead-dashboard.json").read_text())
    return found


def expressions() -> dict[str, str]:
    """Panel and place -> expression, with Grafana's variables filled in."""
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard()["panels"]
        for target in panel.get("targets", [])
    }
    found |= {one["name"]: one["expr"] for one in dashboard()["annotations"]["list"]}
    for variable, value in FILLED.items():
        found = {name: expression.replace(variable, value) for name, expression in found.items()}
    return found


def test_every_expression_is_promql(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{at}", "expr": expression} for at, expression in enumerate(expressions().values())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", str(tmp_path / "rules.yml"))
    assert done.returncode == 0, done.stderr
    assert not any("$" in expression for expression in expressions().values())


def test_every_name_is_on_the_page_and_every_metric_has_its_panel() -> None:
    text = " ".join(expressions().values())
    names = {re.sub(r"_(bucket|sum|count)$", "", n) for n in re.findall(r"\b\w+(?=\{)", text)}
    assert names <= FAMILIES.keys()
    peers = {name for name in FAMILIES if name.startswith(("model_infer", "rpc_"))}
    unseen = {"fairlead_build_info", "process_start_time_seconds", "fairlead_series_refused_total"}
    unseen |= {"fairlead_routes_source_epoch", "fairlead_routes_source_reached_timestamp_seconds"}
    assert FAMILIES.keys() - names == peers | unseen


def test_the_dashboard_is_whole() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, f"{panel['title']} lies upon another"
        taken |= cells
        assert max(x for x, _ in cells) < 24
        assert panel["type"] == "row" or panel["description"]
    variables = {one["name"] for one in dashboard()["templating"]["list"]}
    assert variables == {"datasource", "job", "instance", "model"}


def test_the_files_are_had_from_an_installed_package(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fairlead.runtime.serve.observing", str(tmp_path / "there")],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    written = sorted(path.name for path in (tmp_path / "there").iterdir())
    assert written == ["fairlead-alerts.yml", "fairlead-dashboard.json"]
    assert [Path(line).name for line in done.stdout.splitlines()] == written
    for name in written:
        assert (tmp_path / "there" / name).read_text() == FILES.joinpath(name).read_text()
