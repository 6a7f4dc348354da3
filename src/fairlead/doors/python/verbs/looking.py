"""Verbs that look, and those that keep the home."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.doors.python.verbs.opened import Answer, Opened, Progress


class Looking(Opened):
    """Verbs of looking."""

    def explain(
        self,
        rows: Any,
        *,
        bundle: str | None = None,
        method: str = "",
        most: int = 100,
        html: str | Path | None = None,
    ) -> Answer:
        """What each column of each row did to its answer: attributions that sum with the baseline to the margin.

        rows: a table (path, DataFrame), a row as dict or JSON, or a list of them; the first `most` are explained.
        html: where to write a page of plots.
        """
        from fairlead.doors.python import explaining

        return explaining.explain(self.workspace, rows, bundle, method, most, html)

    def counterfactuals(self, rows: Any, *, goal: str = "", bundle: str | None = None, most: int = 10) -> Answer:
        """What would have to differ in each row for another answer, within the rules of [explain].

        goal: a label, or `>=3` or `<=3` for numbers; empty: another label, the likeliest.
        """
        from fairlead.doors.python import explaining

        return explaining.counterfactuals(self.workspace, rows, goal, bundle, most)

    def explain_model(
        self,
        *,
        bundle: str | None = None,
        data: Any = None,
        html: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Answer:
        """What matters overall, how the answer follows single columns, and a small tree that imitates the model.

        data: rows to look at; else those that the bundle was judged on.
        """
        from fairlead.doors.python import explaining

        return explaining.explain_model(self.workspace, bundle, data, html, progress)

    def inspect(self, bundle: str | Path | None = None) -> Answer:
        """What is in a bundle, who sealed it, does it verify; never executes it."""
        from fairlead.doors.python import looking

        return looking.inspect(self.workspace, bundle)

    def config(self) -> Answer:
        """The effective configuration and where each value comes from."""
        from fairlead.doors.python import looking

        return looking.config(self.workspace)

    def audit(self, last: int = 50) -> Answer:
        """Verify the audit chain and show its newest events."""
        from fairlead.doors.python import looking

        return looking.audit(self.workspace, last)

    def backup(self, to: str, **how: Any) -> Answer:
        """Back the home up to a folder or store. how: passphrase (env:NAME or file:PATH), or recipient and identity
        (PEM files of X25519 keys), or without_keys=True; verify, keep, say."""
        from fairlead.doors.python import keeping

        return keeping.backup(self.workspace, to, **how)

    def restore(self, source: str, **how: Any) -> Answer:
        """Bring the home back from a backup into its empty folder. how: passphrase or identity, into, follow,
        promote, signer, snapshot."""
        from fairlead.doors.python import keeping

        return keeping.restore(self.folder, source, **how)

    def doctor(self) -> Answer:
        """Reconcile captured rows with answered ones and look for what is wrong, each with its cure."""
        from fairlead.doors.python import looking

        return looking.doctor(self.workspace)

    def settings(self) -> Mapping[str, Any]:
        """The effective configuration as nested dicts."""
        import msgspec

        settings: Mapping[str, Any] = msgspec.to_builtins(self.workspace.settings)
        return settings
