"""The model card that a bundle carries when nobody wrote one."""

from __future__ import annotations

from fairlead.contract.evidence import ParityCertificate
from fairlead.contract.settings import CardSettings
from fairlead.contract.signature import Column
from fairlead.lab.compile.candidate import Candidate

CONTAINS_ROWS = (
    "> **WARNING: this model contains rows it was trained on.** It answers by comparing with them (neighbours, support "
    "vectors), so whoever has this bundle has those rows. Store, share and erase it as you do the training data."
)
_UNSAID = "Nobody has stated this"
_MOST_CATEGORIES = 12


def model_card(candidate: Candidate, certificate: ParityCertificate) -> str:
    """Markdown: what it is for and not for, what it predicts, from what, how it was made, how exact its form is."""
    lines = [f"# {candidate.name}", "", *_purpose(candidate), *_made(candidate), *_takes(candidate)]
    lines += [
        "## How it is run",
        f"Form `{certificate.form}`; on {certificate.rows} rows it differs from the trained model by at most "
        f"{certificate.max_difference:.1e}, with {certificate.flipped} flipped decisions.",
        "",
        "## How good it is",
        "A card is sealed before the model is judged, so that what is judged is what answers: the figures are in the "
        "report and in the signed attestations that name this bundle's id.",
    ]
    return "\n".join(lines) + "\n"


def _purpose(candidate: Candidate) -> list[str]:
    signature, card = candidate.signature, candidate.card
    classes = f": {', '.join(signature.classes)}" if signature.classes else ""
    what = f"the {signature.quantile:g} quantile of " if signature.quantile else ""
    target = f"{what}`{signature.target or 'value'}`"
    told = [
        f"Predicts {target} ({signature.task}{classes}), definition {signature.definition}.",
        "",
    ]
    if signature.group:
        of = f", each of them one `{signature.item}`" if signature.item else ""
        told += [f"It puts the rows of each `{signature.group}` in order{of}: what counts is which stands first.", ""]
    if candidate.lineage.contains_training_rows:
        told += [CONTAINS_ROWS, ""]
    told += ["## What it is for", card.intended_use or f"{_UNSAID} (`[card] intended_use`).", ""]
    told += ["## What it must not be used for", *_list(card.misuse, "misuse"), ""]
    told += ["## Its limits", *_limits(candidate, card), ""]
    if card.contact:
        told += ["## Who to ask", card.contact, ""]
    return told


def _limits(candidate: Candidate, card: CardSettings) -> list[str]:
    told = list(_list(card.limits, "limits"))
    if (stated := candidate.signature.population) is not None:
        way = "are refused" if stated.outside == "refuse" else "are answered and counted"
        told += [f"- It is meant for rows with {said}; others {way}." for said in stated.said]
    told.append("- It knows the ranges and categories listed below; beyond them it still answers, by what it learned.")
    if candidate.signature.classes and candidate.calibration is None and candidate.signature.task == "classification":
        told.append("- Its probabilities are not calibrated; the report says how far they can be taken at their word.")
    return told


def _list(stated: tuple[str, ...], key: str) -> list[str]:
    return [f"- {one}" for one in stated] if stated else [f"{_UNSAID} (`[card] {key}`)."]


def _made(candidate: Candidate) -> list[str]:
    lineage = candidate.lineage
    return [
        "## How it was made",
        f"- learner: {lineage.learner}",
        *(f"- {name}: {value}" for name, value in sorted(lineage.parameters.items())),
        f"- training rows: {lineage.rows} (data {lineage.data[:16]})",
        f"- contains training rows: {'YES' if lineage.contains_training_rows else 'no'}",
        f"- seed: {lineage.seed}",
        "",
    ]


def _takes(candidate: Candidate) -> list[str]:
    columns = candidate.signature.columns
    told = (
        f"- `{c.name}`: {_taken(c)}{_seen(c)}" + (", may be missing" if c.nullable else "") for c in columns
    )  # fmt: skip
    return ["## What it takes", *told, ""]


def _taken(column: Column) -> str:
    return column.kind if column.kind != "tensor" else f"tensor of {column.dtype}, shape {list(column.shape)}"


def _seen(column: Column) -> str:
    """What training saw of a column, in a few words."""
    if column.categories:
        more = len(column.categories) - _MOST_CATEGORIES
        shown = ", ".join(column.categories[:_MOST_CATEGORIES])
        return f" ({shown}{f' and {more} more' if more > 0 else ''})"
    if column.low is not None and column.high is not None and column.kind in {"number", "integer"}:
        return f" ({column.low:g} to {column.high:g})"
    return ""
