"""The verb that says why: explain."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fairlead.contract.errors import UsageError
from fairlead.doors.cli.output import Json, Steps, console, escape, number, project, show, table

Answer = dict[str, Any]

SHOWN_ROWS, SHOWN_COLUMNS = 5, 10


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    app.command()(explain)


def explain(
    rows: Annotated[str | None, typer.Argument(help="a row as JSON, a table of rows, or - for JSON on stdin")] = None,
    bundle: Annotated[
        str | None, typer.Option(help="bundle, version or alias; else the champion or the latest")
    ] = None,
    method: Annotated[
        str, typer.Option(help="linear, trees, enumeration, permutation, shap; else the first that can")
    ] = "",
    most: Annotated[
        int | None, typer.Option("--rows", help="how many rows of a table; else 100 (5 with --counterfactual)")
    ] = None,
    whole: Annotated[bool, typer.Option("--global", help="the whole model: what matters overall")] = False,
    data: Annotated[str | None, typer.Option(help="with --global: other rows than those it was judged on")] = None,
    counterfactual: Annotated[
        bool, typer.Option("--counterfactual", help="what would have to differ for another answer")
    ] = False,
    goal: Annotated[str, typer.Option(help="with --counterfactual: a label, or '>=3', '<=3' for a number")] = "",
    html: Annotated[Path | None, typer.Option(help="write a page of plots there")] = None,
    as_json: Json = False,
) -> None:
    """Why the model answers as it does: what each column did.

    Attributions are Shapley values: with the baseline they sum to the model's margin.
    """
    if whole:
        if rows is not None:
            raise UsageError("--global is about the whole model; rows to look at are given by --data.")
        with Steps() as steps:
            found = project().explain_model(bundle=bundle, data=data, html=html, progress=steps)
        show(found, as_json, tell_whole)
        return
    if rows is None:
        raise UsageError("which row? Give one as JSON, a table, or - for JSON on stdin.")
    if rows == "-":
        rows = sys.stdin.read(1 << 24)
    if counterfactual:
        if html is not None:
            raise UsageError("a page shows attributions: leave --counterfactual away, or --html.")
        few = SHOWN_ROWS if most is None else most
        show(project().counterfactuals(rows, goal=goal, bundle=bundle, most=few), as_json, tell_counterfactuals)
        return
    show(
        project().explain(rows, bundle=bundle, method=method, most=100 if most is None else most, html=html),
        as_json,
        tell_rows,
    )


def tell_rows(answer: Answer) -> None:
    out = console()
    for row in range(min(answer["rows"], SHOWN_ROWS)):
        tell_row(answer, row)
    if answer["given"] > min(answer["rows"], SHOWN_ROWS):
        asked = f"{answer['rows']:,} of {answer['given']:,} rows were explained"
        out.print(f"{asked}, {min(answer['rows'], SHOWN_ROWS)} are shown (--json has all)")
    out.print(
        f"[dim]{escape(answer['said'])}; against {answer['background']['rows']} background rows "
        f"({escape(answer['background']['kind'])})[/]"
    )
    if "html" in answer:
        out.print(f"plots: [bold]{escape(answer['html'])}[/]")
    if not answer["sums"]:
        out.print(f"[yellow]look[/]: attributions miss the margin by up to {answer['residual']:.2g}")


def tell_whole(answer: Answer) -> None:
    out = console()
    for output, effects in answer["effects"].items():
        largest = effects[0]["size"]["value"] or 1.0
        about = f" of {output}" if output != "value" else ""
        lines = [
            (e["column"], f"{e['size']['value']:.4g}", f"{e['size']['low']:.3g} – {e['size']['high']:.3g}", way(e),
             "▶" * round(16 * e["size"]["value"] / largest))
            for e in effects[:15]
        ]  # fmt: skip
        heads = ("column", "mean size", "range", "", "")
        table(f"What moves the {answer['scale']}{about}, over {answer['rows']:,} rows", heads, lines)
    small = answer["surrogate"]
    if small is not None:
        rules = [(" and ".join(leaf["rule"]), number(leaf["answer"]), leaf["rows"]) for leaf in small["leaves"]]
        fidelity = f"{100 * small['fidelity']['value']:.0f} % of it (R2, on {small['judged']:,} other rows)"
        table(f"A small tree tells {fidelity}", ("where", f"mean {small['output']}", "rows"), rules, wraps=("where",))
    for note in answer["notes"]:
        out.print(f"[dim]{escape(note)}[/]")
    if "html" in answer:
        out.print(f"plots: [bold]{escape(answer['html'])}[/]")


def tell_counterfactuals(answer: Answer) -> None:
    out = console()
    for row, (prediction, told) in enumerate(zip(answer["predictions"], answer["counterfactuals"], strict=True)):
        label = decided(prediction)
        out.print(f"\nrow {row}: [bold]{escape(number(label))}[/]{typical(told)}. To get {escape(told['goal'])}:")
        if not told["found"]:
            out.print(f"  nothing: {escape(told['why'])}")
        for one in told["found"]:
            changes = "; ".join(f"{c['column']} {cell(c['before'])} → {cell(c['after'])}" for c in one["changes"])
            out.print(f"  {escape(changes)}{typical(one)}")
    if answer["given"] > answer["rows"]:
        out.print(f"\nthe first {answer['rows']} of {answer['given']:,} rows")
    if answer["immutable"]:
        out.print(f"[dim]unchanged by rule: {escape(', '.join(answer['immutable']))}[/]")
    if any(told["typical"] is not None for told in answer["counterfactuals"]):
        out.print("[dim]typical: share of the rows it was judged on that stand further apart from all others[/]")
    out.print("[dim]changes of the model's input, which need not cause the outcome to change[/]")


def typical(said: Answer) -> str:
    return "" if said["typical"] is None else f" [dim](typical: {100 * said['typical']:.0f} %)[/]"


def way(effect: Answer) -> str:
    direction = effect["direction"]
    if effect["categories"] or direction is None:
        return ""
    return "higher pushes up" if direction > 0.8 else "higher pushes down" if direction < -0.8 else "both ways"


def tell_row(answer: Answer, row: int) -> None:
    prediction = answer["predictions"][row]
    label = decided(prediction)
    several = len(answer["of"]) > 1
    about = label if several and label in answer["of"] else answer["of"][0]

    def part(said: Any) -> Any:
        return said[about] if several else said

    attributions = part(answer["attributions"][row])
    errors = part(answer["errors"][row]) if "errors" in answer else None
    ranked = sorted(attributions, key=lambda name: -abs(attributions[name]))
    values, largest = answer["values"][row], max(map(abs, attributions.values()), default=0.0) or 1.0
    lines = []
    for name in ranked[:SHOWN_COLUMNS]:
        doubt = [f"± {2 * errors[name]:.2g}"] if errors is not None else []
        lines.append(
            (name, cell(values.get(name)), f"{attributions[name]:+.4g}", *doubt, bar(attributions[name] / largest))
        )
    rest = ranked[SHOWN_COLUMNS:]
    if rest:
        blank = [""] if errors is not None else []
        lines.append((f"{len(rest)} others", "", f"{sum(attributions[name] for name in rest):+.4g}", *blank, ""))
    scale = answer["scale"] if answer["scale"] == "value" else f"{answer['scale']} of {about}"
    console().print(
        f"\nrow {row}: [bold]{escape(number(label))}[/]; {escape(scale)} "
        f"{part(answer['margins'][row]):+.4g} = {part(answer['baseline']):+.4g} on average and"
    )
    heads = ("column", "value", "adds", *(["error"] if errors is not None else []), "")
    table("", heads, lines)


def decided(prediction: Any) -> Any:
    from fairlead.lab.evaluate.explaining.words import decision

    return decision(prediction)


def cell(value: Any) -> str:
    return "missing" if value is None else number(value)[:32]


def bar(share: float, width: int = 16) -> str:
    """To the left what pulls down, to the right what pushes up."""
    full = round(abs(share) * width)
    return f"{'◀' * full if share < 0 else '':>{width}}|{'▶' * full if share > 0 else ''}"
