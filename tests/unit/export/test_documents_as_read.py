"""What is written as YAML is read as it was meant: by YAML 1.1, by 1.2 and as Kubernetes' own programs read it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tests.unit.export.exporting_samples import exported

from fairlead.contract.errors import UsageError
from fairlead.reach.export.kserve import KServe
from fairlead.reach.export.kubeflow import Kubeflow
from fairlead.reach.export.kubernetes.documents import written

LIKE_NUMBERS = st.from_regex(
    r"[-+]?[0-9.]{0,3}([eE][-+]?[0-9]{1,3})?|0[oxb][0-9a-f]{1,4}|[0-9]{1,2}:[0-9]{2}", fullmatch=True
)
WORDS = st.sampled_from(
    ["y", "N", "on", "No", "null", "~", "true", "", "=", "<<", "1e3", "0o17", ".5e1", "12e4567", "-", "1_0"]
)
TEXTS = st.one_of(
    LIKE_NUMBERS, WORDS, st.text(max_size=12), st.text("a :#-\n\t\"'|>%@`&*!{}[],\x85\u2028\u2029\ufeff", max_size=9)
)
TREES = st.recursive(
    st.one_of(TEXTS, st.integers(), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)), max_leaves=8,
)  # fmt: skip


def of_later(data: bytes) -> Any:
    """As YAML 1.2 has it."""
    return YAML(typ="safe", pure=True).load(data.decode())


@given(st.dictionaries(TEXTS, TREES, min_size=1, max_size=3))
def test_what_is_written_is_read_back(tree: dict[str, Any]) -> None:
    assert yaml.safe_load(written([tree])) == tree


@given(TEXTS)
def test_text_is_text_to_whoever_reads_it(text: str) -> None:
    assert of_later(written([{"a": text}])) == {"a": text}


@pytest.mark.long
def test_kubernetes_own_program_reads_text_as_text(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: make test-deps")
    texts = ["1e3", "0o17", ".5e1", "1_000", "12:34", "y", "n", "on", "null", "0x1f", "2024-01-01", "1.10", "+.inf"]
    said = {f"k{at}": text for at, text in enumerate(texts)}
    kind = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": said}, "data": said}
    (tmp_path / "a.yaml").write_bytes(written([kind]))
    (tmp_path / "kustomization.yaml").write_bytes(written([{"resources": ["a.yaml"]}]))
    done = subprocess.run(["kubectl", "kustomize", str(tmp_path)], capture_output=True, timeout=60, check=True)
    found = yaml.safe_load(done.stdout)
    assert (found["data"], found["metadata"]["labels"]) == (said, said)


@pytest.mark.parametrize("options", [
    {"replicas": "\u00b2"}, {"most": ""}, {"replicas": "3", "most": "2"}, {"most": "-1"}, {"most": "9" * 20},
])  # fmt: skip
def test_numbers_of_replicas_that_are_none_are_refused(options: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="replicas"):
        KServe().write(exported(tmp_path, KServe, **options), tmp_path)


@pytest.mark.parametrize("options", [
    {"claim": "a: b"}, {"claim": "A_b"}, {"claim": ""}, {"size": "20"}, {"size": "1Gi\n  x: y"}, {"size": "Gi"},
])  # fmt: skip
def test_claims_that_kubernetes_does_not_take_are_refused(options: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--set (claim|size)"):
        Kubeflow().write(exported(tmp_path, Kubeflow, **options), tmp_path)
