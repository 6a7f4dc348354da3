"""The methods of `Project`, by topic; each is one verb and returns what `--json` prints."""
