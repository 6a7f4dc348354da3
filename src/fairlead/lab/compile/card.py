"""The model card that a bundle carries when nobody wrote one."""

from __future__ import annotations

from fairlead.contract.evidence import ParityCertificate
from fairlead.contract.signature import Column
from fairlead.lab.compile.candidate import Candidate


def _taken(column: Column) -> str:
    return column.kind if column.kind != "tensor" else f"tensor of {column.dtype}, shape {list(column.shape)}"


def model_card(candidate: Candidate, certificate: ParityCertificate) -> str:
    """Markdown: what it predicts, from what, how it was made, how exact the compiled form is."""
    signature, lineage = candidate.signature, candidate.lineage
    lines = [
        f"# {candidate.name}",
        "",
        f"Predicts `{signature.target or 'value'}` ({signature.task}"
        + (f": {', '.join(signature.classes)}" if signature.classes else "")
        + f"), definition {signature.definition}.",
        "",
        "## How it was made",
        f"- learner: {lineage.learner}",
        *(f"- {name}: {value}" for name, value in sorted(lineage.parameters.items())),
        f"- training rows: {lineage.rows} (data {lineage.data[:16]})",
        f"- seed: {lineage.seed}",
        "",
        "## What it takes",
        *(f"- `{c.name}`: {_taken(c)}" + (", may be missing" if c.nullable else "") for c in signature.columns),
        "",
        "## How it is run",
        f"Form `{certificate.form}`; on {certificate.rows} rows it differs from the trained model by at most "
        f"{certificate.max_difference:.1e}, with {certificate.flipped} flipped decisions.",
    ]
    return "\n".join(lines) + "\n"
