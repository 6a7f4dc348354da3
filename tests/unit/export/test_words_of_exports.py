"""Words on their way into what is exported: names, references of images, options, locks, licences, project files."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.export.exporting_samples import exported

from fairlead.contract.errors import ConfigInvalid, FairleadError, UsageError
from fairlead.contract.stores import StoresSettings
from fairlead.reach.export.exported import Option, checked_image, dns_name, fitted, image_name, told
from fairlead.reach.export.kubernetes.collecting import project_text
from fairlead.reach.export.kubernetes.pod import Plan
from fairlead.reach.export.kubernetes.target import Kubernetes, plan_of
from fairlead.reach.export.licences import permissive
from fairlead.reach.export.locked import applies, read_lock

MODELS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)
LABEL = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")


@given(st.one_of(MODELS, st.text(max_size=80)))
def test_a_name_is_one_that_dns_takes(text: str) -> None:
    assert LABEL.fullmatch(dns_name(text))
    assert dns_name(dns_name(text)) == dns_name(text)


@given(MODELS, st.one_of(st.none(), st.integers(1, 10**6)), st.from_regex(r"[0-9a-f]{64}", fullmatch=True))
def test_an_image_that_nobody_named_has_a_reference_that_is_taken(model: str, version: int | None, bundle: str) -> None:
    assert checked_image(image_name(model, version, bundle))


@given(st.one_of(st.text(max_size=30), st.from_regex(r"[a-z./:@-]{1,20}:[A-Za-z0-9.\n$\"{-]{0,9}")))
def test_a_reference_that_is_taken_can_stand_in_any_text(text: str) -> None:
    """Dockerfiles, YAML and HCL: nothing in it ends a word, a line or a quotation, or begins a name of a variable."""
    try:
        found = checked_image(text)
    except ConfigInvalid:
        return
    assert not re.search(r"[\s\"'`$\\{}#%]", found)
    assert not found.endswith(":latest")


@given(st.lists(st.one_of(st.text(max_size=12), st.sampled_from(["a=1", "b=x", "b=y=z", "a", "=", "b="])), max_size=4))
def test_options_are_those_of_the_target(given_words: list[str]) -> None:
    known = {"a": Option("0", "a number"), "b": Option("x", "one of two", ("x", "y"))}
    try:
        found = told("it", known, given_words)
    except UsageError:
        return
    assert found.keys() == known.keys()
    assert found["b"] in {"x", "y"}


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(
    ["a==1", "b == 2", "c==3 ; python_version > '3'", " \\\n    --hash=sha256:" + "0" * 64, "\n", "# x", "; x", "-e ."]
), max_size=8).map("".join)), st.sampled_from(["3.11", "3.13"]))  # fmt: skip
def test_a_lock_is_read_or_refused_in_words(text: str, python: str) -> None:
    try:
        parts = read_lock(text, python)
    except UsageError:
        return
    assert all(part.hashes and part.name and part.version for part in parts)


@given(st.text("abcd_<>=!'\". ()3and", max_size=24))
def test_a_marker_is_one_or_is_refused_in_words(marker: str) -> None:
    try:
        assert applies(marker, "3.11") in {True, False}
    except UsageError:
        return


@given(
    st.lists(
        st.sampled_from(["MIT", "GPL-3.0-only", "(", ")", "AND", "OR", "WITH", "x", " ", "Apache-2.0", "+", ","]),
        max_size=9,
    )
)
def test_whatever_a_licence_says_there_is_an_answer(words: list[str]) -> None:
    said = " ".join(words)
    if permissive(said):
        assert permissive(f"({said}) OR GPL-3.0-only")
        assert not permissive(f"({said}) AND GPL-3.0-only")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_of(exported(tmp_path_factory.mktemp("words"), Kubernetes))


def of_settings(plan: Plan, **more: Any) -> Plan:
    settings = msgspec.structs.replace(plan.exported.settings, **more)
    return msgspec.structs.replace(plan, exported=msgspec.structs.replace(plan.exported, settings=settings))


@given(target=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_the_project_of_a_collector_is_read_back(plan: Plan, target: str) -> None:
    model = msgspec.structs.replace(plan.exported.settings.model, target=target)
    assert tomllib.loads(project_text(of_settings(plan, model=model)))["model"]["target"] == target


@pytest.mark.parametrize("address", ["hdfs://me:s3cr3t@namenode:9870/x", "az://c@a.blob.core.windows.net/x?sig=s3cr3t"])
def test_no_secret_of_an_address_goes_into_what_is_exported(plan: Plan, address: str) -> None:
    with pytest.raises(FairleadError, match=r"\$\{NAME\}") as told_why:
        project_text(of_settings(plan, stores=StoresSettings(records=address)))
    assert "s3cr3t" not in str(told_why.value)
    named = address.replace("s3cr3t", "${SECRET}")
    assert named in project_text(of_settings(plan, stores=StoresSettings(records=named)))


def test_nothing_but_errors_of_ours_comes_out_of_bad_references() -> None:
    for text in ("", ":", "a", "A:1", "a:latest", "a:1@sha256:0", "a:" + "b" * 200, "a b:1", "a:1\nRUN x"):
        with pytest.raises(FairleadError):
            checked_image(text)


@given(st.from_regex(r"[a-z][a-z0-9-]{0,60}[a-z0-9]", fullmatch=True), st.integers(20, 50))
def test_a_name_that_is_cut_is_still_a_name(name: str, most: int) -> None:
    found = fitted(name, most)
    assert len(found) <= most
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", found)
    assert found == name or len(name) > most


def test_long_names_that_begin_alike_stay_apart() -> None:
    """Cut off at forty characters they were one name, and the second model took the place of the first."""
    one, two = (dns_name(f"Orders_EU.2024-late-delivery-prediction-model-v{n}") for n in (1, 2))
    assert one != two
    assert one.startswith("orders-eu-2024-late-delivery-pred")
    assert fitted("fairlead-churn-in-the-north", 22) != fitted("fairlead-churn-in-the-south", 22)
