# ruff: noqa: S603
"""The steps of the loop as components of Kubeflow Pipelines: each a verb of `fairlead` in a container.

KFP ships the source of each function alone, so each says all it needs inside itself, and annotations are no strings.
kfp is imported with this module; `kubeflow` imports it when it is asked to write.
"""

from typing import Any, NamedTuple

from kfp import dsl


def train(project: str, home: str, data: str) -> NamedTuple("Trained", [("bundle", str), ("learner", str)]):  # type: ignore[valid-type]
    """Prepare, tune, choose and seal; interrupted, it takes up where it was."""
    import collections
    import json
    import os
    import subprocess
    import sys

    words = [sys.executable, "-m", "fairlead", "-C", project, "train", *(["--data", data] if data else []), "--json"]
    done = subprocess.run(words, env={**os.environ, "FAIRLEAD_HOME": home}, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"fairlead train ended with {done.returncode}: {done.stdout[-2000:]}")
    told = json.loads(done.stdout)
    return collections.namedtuple("Trained", ["bundle", "learner"])(told["bundle"], told["learner"])  # type: ignore[call-arg]


def judge(project: str, home: str, bundle: str, metrics: dsl.Output[dsl.Metrics], report: dsl.Output[dsl.HTML]) -> str:
    """The gate on rows that the model never saw. Ends the run where it does not pass."""
    import json
    import os
    import shutil
    import subprocess
    import sys

    def asked(*words: str) -> Any:
        words = (sys.executable, "-m", "fairlead", "-C", project, *words, "--json")
        done = subprocess.run(words, env={**os.environ, "FAIRLEAD_HOME": home}, stdout=subprocess.PIPE, text=True)
        return done.returncode, json.loads(done.stdout or "{}")

    if any(os.path.exists(os.path.join(project, "tests", f"behaviour.{form}")) for form in ("toml", "py")):
        code, tested = asked("test", bundle)
        if code:
            raise RuntimeError(f"fairlead test ended with {code}: {tested.get('why') or tested.get('error')}")
    code, judged = asked("evaluate", bundle)
    for name, value in judged.get("metrics", {}).items():
        if isinstance(value, (int, float)):
            metrics.log_metric(name, float(value))
    if os.path.isfile(judged.get("report", "")):
        shutil.copyfile(judged["report"], report.path)
    if code:
        why = "; ".join(c["why"] for c in judged.get("checks", []) if c["verdict"] != "pass") or judged.get("error")
        raise RuntimeError(f"the gate says {judged.get('verdict', 'nothing')}: {why}")
    return str(judged["verdict"])


def register(project: str, home: str, bundle: str, verdict: str) -> int:
    """A version with its lineage; the same bundle is the same version each time."""
    import json
    import os
    import subprocess
    import sys

    words = [sys.executable, "-m", "fairlead", "-C", project, "register", bundle, "--json"]
    done = subprocess.run(words, env={**os.environ, "FAIRLEAD_HOME": home}, stdout=subprocess.PIPE, text=True)
    if done.returncode or verdict != "pass":
        raise RuntimeError(f"fairlead register ended with {done.returncode}: {done.stdout[-2000:]}")
    return int(json.loads(done.stdout)["version"])


def deploy(project: str, home: str, version: int, canary: str) -> int:
    """Let it answer, or a share of the requests; the first of a model answers all."""
    import json
    import os
    import subprocess
    import sys

    environ = {**os.environ, "FAIRLEAD_HOME": home}
    start = [sys.executable, "-m", "fairlead", "-C", project]
    told = subprocess.run([*start, "status", "--json"], env=environ, stdout=subprocess.PIPE, text=True).stdout
    tried = ["--canary", canary] if canary and '"champion"' in told else []
    done = subprocess.run(
        [*start, "deploy", str(version), *tried, "--json"], env=environ, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise RuntimeError(f"fairlead deploy ended with {done.returncode}: {done.stdout[-2000:]}")
    return int(json.loads(done.stdout)["generation"])


def watch(project: str, home: str, generation: int) -> int:
    """Close the windows that are due, find and decide; how many findings there were."""
    import json
    import os
    import subprocess
    import sys

    words = [sys.executable, "-m", "fairlead", "-C", project, "watch", "--once", "--json"]
    done = subprocess.run(words, env={**os.environ, "FAIRLEAD_HOME": home}, stdout=subprocess.PIPE, text=True)
    if done.returncode or generation < 1:
        raise RuntimeError(f"fairlead watch ended with {done.returncode}: {done.stdout[-2000:]}")
    return len(json.loads(done.stdout)["findings"])


STEPS = (train, judge, register, deploy, watch)


def pipeline_of(name: str, image: str, project: str, home: str) -> Any:
    """The loop as a pipeline of KFP v2. image: holds fairlead[studio,kubeflow]. project, home: what it begins with.

    Steps share the home on a volume, so none is cached by KFP: what was done is known there.
    """
    made = {step.__name__: dsl.component(step, base_image=image, install_kfp_package=False) for step in STEPS}

    def loop(project: str = project, home: str = home, data: str = "", canary: str = "") -> int:
        trained = made["train"](project=project, home=home, data=data)
        judged = made["judge"](project=project, home=home, bundle=trained.outputs["bundle"])
        registered = made["register"](
            project=project, home=home, bundle=trained.outputs["bundle"], verdict=judged.outputs["Output"]
        )
        deployed = made["deploy"](project=project, home=home, version=registered.output, canary=canary)
        watched = made["watch"](project=project, home=home, generation=deployed.output)
        for task in (trained, judged, registered, deployed, watched):
            task.set_caching_options(False)
        return registered.output  # type: ignore[no-any-return]

    return dsl.pipeline(loop, name=f"fairlead-{name}", description=f"Train, judge, register, deploy and watch {name}.")
