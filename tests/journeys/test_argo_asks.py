"""What Argo Rollouts does with the exported AnalysisTemplate, done to the running product: the template's own URL is
asked, its jsonPath taken, its conditions judged; inconclusive at first, then as labels say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.conftest import Program, eventually
from tests.journeys.test_rollout_guard import FEATURES, configured, deployed, running, table

__all__ = ["deployed"]
pytestmark = pytest.mark.long


class Analysis:
    """One AnalysisRun of the exported folder, as the controller makes it of Rollout and template."""

    def __init__(self, folder: Path) -> None:
        (template,) = yaml.safe_load_all((folder / "analysis.yaml").read_text())
        (rollout,) = yaml.safe_load_all((folder / "rollout.yaml").read_text())
        looks = [s["analysis"] for s in rollout["spec"]["strategy"]["canary"]["steps"] if "analysis" in s]
        assert {one["templateName"] for look in looks for one in look["templates"]} == {template["metadata"]["name"]}
        self.arguments = {one["name"]: one["value"] for one in looks[0]["args"]} | {"key": "k" * 40}
        wanted = {one["name"] for one in template["spec"]["args"]}
        assert wanted == self.arguments.keys()
        (self.metric,) = template["spec"]["metrics"]

    def measured(self) -> str:
        """Successful, Failed or Inconclusive."""
        web = self.metric["provider"]["web"]
        heads = {one["key"]: self._filled(one["value"]) for one in web["headers"]}
        answer = httpx.get(self._filled(web["url"]), headers=heads, timeout=web["timeoutSeconds"])
        assert answer.status_code == 200, answer.text
        assert web["jsonPath"] == "{$.data}"
        result = answer.json()["data"]
        failed, well = (self._holds(self.metric[f"{one}Condition"], result) for one in ("failure", "success"))
        assert not (failed and well)
        return "Failed" if failed else "Successful" if well else "Inconclusive"

    def _filled(self, text: str) -> str:
        return re.sub(r"\{\{args\.(\w+)\}\}", lambda found: str(self.arguments[found[1]]), text)

    @staticmethod
    def _holds(condition: str, result: dict[str, Any]) -> bool:
        found = re.fullmatch(r'result\.(\w+) == "(\w+)"', condition)
        assert found is not None, condition
        return bool(result[found[1]] == found[2])


def told(url: str) -> None:
    """Rows asked, and their labels; version 2 goes by one of the three columns that the truth goes by."""
    rows = table(seed=3).to_dict("records")
    for number, row in enumerate(rows):
        row["loan"] = f"n{number}"
        assert httpx.post(f"{url}/predict/loans", json={n: row[n] for n in ("loan", *FEATURES)}).status_code == 200
    labels = [{"key": row["loan"], "label": row["repaid"]} for row in rows]
    assert httpx.post(f"{url}/feedback/loans", json=labels).json()["accepted"] == len(rows)


@pytest.mark.verified("kserve", "Argo's AnalysisTemplate", how="emulated",
                      by="its URL asked of the running product: inconclusive, then fail or pass")  # fmt: skip
@pytest.mark.parametrize(
    ("champion", "tried", "loss", "ends"), [(1, 2, 0.01, "Failed"), (2, 1, 0.6, "Successful")], ids=["fail", "pass"]
)
def test_the_product_answers_what_the_template_asks(
    deployed: tuple[Program, Path],
    champion: int,
    tried: int,
    loss: float,
    ends: str,
) -> None:
    before, needed = deployed
    needed.write_text("as it was fitted")
    program = Program(before.folder.with_name(f"{before.folder.name}-{ends}"))
    shutil.copytree(before.folder, program.folder, symlinks=True)
    rules = f"[rollout]\nguardrails = {{}}\nmax_loss = {loss}\n"
    configured(program, f'\n[monitor]\nwindow = "200rows"\nlabel_delay = "0s"\n{rules}')
    if champion != 1:
        program.run("deploy", str(champion))
    with running(program) as worker:
        url = f"http://127.0.0.1:{worker.port}"
        image = "registry.example.org/team/loans:v1"
        for version in (champion, tried):
            told_to = ("--version", str(version), "--image", image, "--set", f"control={url}")
            program.run("export", "rollouts", "--out", f"argo-{version}", *told_to)
        run, other = (Analysis(program.folder / f"argo-{version}") for version in (tried, champion))
        assert run.measured() == "Inconclusive", "it is not tried yet"
        program.run("deploy", str(tried), "--ab", "50%")
        assert run.measured() == "Inconclusive", "neither condition holds: the Rollout pauses"
        told(url)
        eventually(lambda: run.measured() == ends, within_s=90, what=f"an analysis that ends {ends}")
        assert other.measured() == "Inconclusive", "a Rollout of another bundle takes no verdict of this one"
