"""The program is made with the one verb that is asked for, and with all of them where it is not clear which."""

from __future__ import annotations

import pytest
from typer.main import get_command

from fairlead.doors.cli.asked import asked
from fairlead.doors.cli.main import app

EVERY = sorted(get_command(app).commands)


@pytest.mark.parametrize("words", [["{}"], ["-C", "drift", "{}", "--help"], ["--project=x", "{}", "train"]])
def test_every_verb_is_found_with_options_before_it(words: list[str]) -> None:
    for verb in EVERY:
        made = get_command(asked(app, [word.format(verb) for word in words]))
        assert list(made.commands) == [verb]


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["-h", "train"], ["--version"], ["trian"], ["-C"], ["--strange", "train"]]
)
def test_all_verbs_are_there_where_none_is_named(words: list[str]) -> None:
    assert asked(app, words) is app


def test_a_verb_is_as_it_is_among_all(capsys: pytest.CaptureFixture[str]) -> None:
    whole, one = get_command(app), get_command(asked(app, ["train"]))
    for made in (whole, one):
        made(["train", "--help"], prog_name="fairlead", standalone_mode=False)
    told = capsys.readouterr().out
    assert told[: len(told) // 2] == told[len(told) // 2 :]
    assert len(app.registered_commands) > 1
