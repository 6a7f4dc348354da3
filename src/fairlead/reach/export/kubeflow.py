"""Target `kubeflow`: the loop as a pipeline of KFP v2, with the volume that its steps share."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from fairlead.contract.errors import MissingExtra, UsageError
from fairlead.reach.export.exported import Exported, Option
from fairlead.reach.export.kubernetes.documents import written

MOUNT = "/mnt/fairlead"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_OF_NAMES = "Kubernetes takes lower case, digits, dots and dashes, 63 characters at most"
_SIZE = re.compile(r"[1-9][0-9]{0,5}(Mi|Gi|Ti)")


class Kubeflow:
    """The loop as a pipeline of KFP v2: train, judge, register, deploy and watch as components."""

    name = "kubeflow"
    bundled = False
    options: ClassVar[Mapping[str, Option]] = {
        "claim": Option("fairlead", "the volume claim (ReadWriteMany) that holds the project and its home"),
        "size": Option("20Gi", "how large that claim is made"),
    }

    def write(self, exported: Exported, to: Path) -> tuple[Path, ...]:
        """pipeline.yaml for KFP, claim.yaml for the cluster, Dockerfile for the image.

        Raises UsageError for a claim or size that is none, MissingExtra.
        """
        for name, fits, says in (("claim", _NAME, _OF_NAMES), ("size", _SIZE, "write a size as 500Mi or 20Gi")):
            if not fits.fullmatch(exported.options[name]):
                raise UsageError(f"--set {name}={exported.options[name]!r}: {says}.")
        texts = {
            "pipeline.yaml": self._compiled(exported, to / "pipeline.yaml"),
            "claim.yaml": CLAIM.format(claim=exported.options["claim"], size=exported.options["size"]),
            "Dockerfile": DOCKERFILE.format(fairlead=exported.fairlead),
        }
        for name, text in texts.items():
            (to / name).write_text(text, encoding="utf-8")
        return tuple(to / name for name in texts)

    def notes(self, exported: Exported) -> tuple[str, ...]:
        """What has to be there before it runs."""
        claim = exported.options["claim"]
        return (
            f"Build {image_of(exported)} from Dockerfile (or name another with --image) and push it.",
            f"Apply claim.yaml, and put the project at {MOUNT}/project on the claim {claim}.",
        )

    def _compiled(self, exported: Exported, file: Path) -> str:
        try:
            from kfp import compiler
        except ModuleNotFoundError as missing:
            raise MissingExtra("kfp", "kubeflow") from missing
        from fairlead.reach.export.kubeflow_steps import STEPS, pipeline_of

        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            pipeline = pipeline_of(exported.name, image_of(exported), f"{MOUNT}/project", f"{MOUNT}/home")
            compiler.Compiler().compile(pipeline, str(file))
        return file.read_text(encoding="utf-8") + "---\n" + _mounted([f"exec-{s.__name__}" for s in STEPS], exported)


def image_of(exported: Exported) -> str:
    """The image that the steps run in: the whole product, not only the data plane."""
    return exported.image or f"fairlead/python-studio:{exported.fairlead}"


def _mounted(executors: list[str], exported: Exported) -> str:
    """The platform's part of the pipeline, as kfp-kubernetes writes it: every step has the volume."""
    claim = exported.options["claim"]
    mount = {"constant": claim, "mountPath": MOUNT, "pvcNameParameter": {"runtimeValue": {"constant": claim}}}
    told: dict[str, Any] = {name: {"pvcMount": [mount]} for name in executors}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": told}}}}

    return written([platform]).decode()


CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: "{claim}"
spec:
  accessModes: [ReadWriteMany]
  resources:
    requests:
      storage: {size}
"""

DOCKERFILE = """\
# What the steps of the pipeline run in.
FROM python:3.12-slim-bookworm
RUN python -m pip install --no-cache-dir "fairlead[studio,kubeflow]=={fairlead}" \\
    && useradd --uid 65532 --create-home fairlead
USER 65532:65532
"""
