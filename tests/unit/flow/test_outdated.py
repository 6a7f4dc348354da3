"""Settings that were changed after `up` had read them."""

from __future__ import annotations

import threading
from pathlib import Path

import fairlead
from fairlead.ops.flow.outdated import settings_of, settings_read
from fairlead.ops.flow.status import status_of
from fairlead.ops.flow.supervise import Supervisor, read_up

CONFIG = '[model]\nname = "churned"\ntask = "classification"\ntarget = "churned"\n[data]\ntrain = "rows.csv"\n'


def test_a_change_of_settings_that_up_has_not_read_is_told_until_it_is_started_again(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text(CONFIG)
    ws = fairlead.open(tmp_path).workspace
    assert (status_of(ws)["outdated"], settings_read(ws).verdict) == ("", "pass")
    for folder, said in ((ws.project.root, "start it again"), (tmp_path / "another project of this home", "")):
        (tmp_path / "fairlead.toml").write_text(CONFIG)
        up = Supervisor([], lambda name, line: None, run=ws.home.run, about=(str(folder), settings_of(tmp_path)))
        thread = threading.Thread(target=up.run)
        thread.start()
        try:
            for _ in range(1000):
                running = read_up(ws.home.run)
                if running is not None and (running.folder, running.state) == (str(folder), "running"):
                    break
                thread.join(0.01)
            assert status_of(ws)["outdated"] == ""
            (tmp_path / "fairlead.toml").write_text(CONFIG + '[monitor]\nwindow = "100rows"\n')
            assert said in status_of(ws)["outdated"]
            assert bool(status_of(ws)["outdated"]) == bool(said)
            assert settings_read(ws).verdict == ("fail" if said else "pass")
        finally:
            up.stop()
            thread.join(10)
    assert status_of(ws)["outdated"] == ""
