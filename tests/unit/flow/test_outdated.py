"""Settings that were changed after `up` had read them."""

from __future__ import annotations

import threading
from pathlib import Path

import fairlead
from fairlead.ops.flow.outdated import behind, settings_of, settings_read
from fairlead.ops.flow.status import status_of
from fairlead.ops.flow.supervise import Supervisor, UpStatus, read_up

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


def test_what_changes_no_setting_is_no_change(tmp_path: Path) -> None:
    file = tmp_path / "fairlead.toml"
    file.write_text(CONFIG)
    read = settings_of(tmp_path)
    for same in (f"# of a churn model\n{CONFIG.replace(' = ', '=')}", CONFIG.replace("\n", "\r\n\r\n")):
        file.write_bytes(same.encode())
        assert settings_of(tmp_path) == read
    for other in (CONFIG.replace("rows.csv", "rows.parquet"), CONFIG + "[monitor]\n", "[model", CONFIG + "\xff"):
        file.write_bytes(other.encode("latin-1"))
        assert settings_of(tmp_path) not in (read, "")
    file.unlink()
    assert settings_of(tmp_path) == ""


def test_a_project_that_is_reached_by_another_path_is_the_same_one(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "fairlead.toml").write_text(CONFIG)
    (tmp_path / "link").symlink_to(tmp_path / "there")
    ws = fairlead.open(tmp_path / "there").workspace
    status = UpStatus(1, "t", 0.0, (), folder=str(tmp_path / "link"), settings="of before")
    assert "start it again" in behind(status, ws.project.root)
    assert behind(status, tmp_path) == ""


def test_who_may_not_take_the_lock_of_up_is_answered_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text(CONFIG)
    ws = fairlead.open(tmp_path).workspace
    assert status_of(ws)["outdated"] == ""
    (ws.home.run / "up.lock").mkdir()  # as little to be opened for writing as one of another user, by root, too
    assert read_up(ws.home.run) is None
    assert (status_of(ws)["outdated"], settings_read(ws).verdict) == ("", "pass")
