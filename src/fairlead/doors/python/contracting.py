"""The verb `contract`: begin a data contract, and ask whether rows keep it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.ops.flow import Workspace

if TYPE_CHECKING:
    from fairlead.ops.monitor.contracts.judging import Agreed
    from fairlead.ops.monitor.contracts.reading import Contract
    from fairlead.runtime.bundle import Model

Answer = dict[str, Any]
FILE = "contract.yaml"
NEWEST = 10_000
"""Records that are looked at where no table is named."""


def init(ws: Workspace, *, bundle: str | None = None, force: bool = False) -> Answer:
    """See `Project.contract_init`."""
    from fairlead.ops.monitor.contracts.writing import written

    path = ws.project.root / (ws.settings.monitor.contract or FILE)
    if path.exists() and not force:
        raise UsageError(f"there is a {path.name} already; --force writes a new one over it.")
    model = _model(ws, bundle)
    text = written(ws.model, model.signature, model.reference)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return {
        "contract": str(path), "version": "1", "columns": len(model.signature.columns), "bundle": model.id,
        "named_in_settings": bool(ws.settings.monitor.contract),
    }  # fmt: skip


def check(ws: Workspace, data: Any = None, *, last: int = NEWEST, file: str | Path | None = None) -> Answer:
    """See `Project.contract_check`."""
    from fairlead.ops.monitor.contracts.judging import MOST_BREACHES, judge
    from fairlead.ops.monitor.contracts.reading import read_contract

    name = file or ws.settings.monitor.contract or FILE
    contract = read_contract(ws.project.root / name)
    rows, source = _records(ws, contract, last) if data is None else _table(ws, contract, data)
    found = judge(contract.terms, rows)
    count = max((len(cells) for cells in rows.columns.values()), default=0)
    unseen = [n for n in contract.terms.columns if n not in rows.columns]
    return {
        "contract": contract.file,
        "version": contract.terms.version,
        "sha256": contract.digest,
        "source": source,
        "rows": count,
        "kept": not found,
        "breaches": [msgspec.to_builtins(one) for one in found],
        "more": len(found) >= MOST_BREACHES,
        "not_seen": unseen[:200],
        "timed": rows.times is not None,
    }


def _model(ws: Workspace, bundle: str | None) -> Model:
    from fairlead.ops.flow import making

    return ws.load(making.resolve_bundle(ws, bundle))


def _table(ws: Workspace, contract: Contract, data: Any) -> tuple[Agreed, str]:
    import pyarrow as pa

    from fairlead.contract.errors import FairleadError
    from fairlead.lab.tables.reading import Reading
    from fairlead.ops.monitor.contracts.tables import agreed_rows

    table = Reading(ws.settings.data, ws.project.root, ws.home.root).open(data, from_root=False)
    batches = list(table.batches())
    if not batches:
        raise UsageError("the table has no rows.")
    try:
        signature = _model(ws, None).signature
    except FairleadError:
        # A contract can be asked about before anything was trained.
        signature = None
    settings = ws.settings.model
    rows = agreed_rows(
        pa.Table.from_batches(batches), contract.terms, signature=signature, time=settings.time_columns,
        zone=settings.timezone,
    )  # fmt: skip
    return rows, str(data) if isinstance(data, str | Path) else "table"


def _records(ws: Workspace, contract: Contract, last: int) -> tuple[Agreed, str]:
    """The newest rows that were answered."""
    import numpy as np

    from fairlead.contract import records as names
    from fairlead.ops.flow.view import read_view
    from fairlead.ops.monitor.contracts.judging import Agreed
    from fairlead.runtime.capture import Records

    if last < 1:
        raise UsageError("--last takes at least one record.")
    records = Records(ws.home.root, ws.model)
    read = records.columns(None, None, [names.TIME])
    told = read.column(names.TIME).to_numpy(zero_copy_only=False) if names.TIME in read.schema.names else np.zeros(0)
    times: np.ndarray = np.sort(np.asarray(told, dtype=np.float64))
    if not len(times):
        raise UsageError("no record has been collected yet: name a table, or serve the model, then `fairlead collect`.")
    since = float(times[max(len(times) - last, 0)])
    view = read_view(records, since, None, _model(ws, None).signature)
    return Agreed(view.columns, view.times), f"the newest {view.rows} records"
