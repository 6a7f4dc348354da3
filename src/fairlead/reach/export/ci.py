"""Target `ci`: a pipeline of GitHub Actions or GitLab that trains, tests, judges, comments and releases.

What comes in a pull request is judged beside its base in a home that ends with the job: code of others never meets the
home that answers, its keys or a cloud's credentials. What was merged is made in that home by a runner that has it, and
a tag releases it (`fairlead release --from-git`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import ClassVar

from fairlead.contract.errors import UsageError
from fairlead.reach.export.ci_github import CLOUDS as GITHUB_CLOUDS
from fairlead.reach.export.ci_github import WORKFLOW
from fairlead.reach.export.ci_gitlab import CLOUDS as GITLAB_CLOUDS
from fairlead.reach.export.ci_gitlab import PIPELINE
from fairlead.reach.export.exported import Exported, Option

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}(,[A-Za-z0-9][A-Za-z0-9._-]{0,49}){0,9}")
_FORMS = {
    "github": (".github/workflows/fairlead-@MODEL@.yml", WORKFLOW, GITHUB_CLOUDS),
    "gitlab": (".gitlab-ci.yml", PIPELINE, GITLAB_CLOUDS),
}


class Ci:
    """Pipelines of GitHub and GitLab: train, test, judge, comment the diff, release by tag."""

    name = "ci"
    bundled = False
    options: ClassVar[Mapping[str, Option]] = {
        "provider": Option("both", "whose pipeline", ("both", "github", "gitlab")),
        "branch": Option("main", "the branch that releases come from"),
        "python": Option("3.12", "version of Python", ("3.11", "3.12", "3.13")),
        "folder": Option(".", "where fairlead.toml lies in the repository"),
        "extras": Option("studio", "what of Fairlead the project takes, with commas, as studio,boosting"),
        "runner": Option("self-hosted,fairlead", "labels (GitHub) or tags (GitLab) of the runner that has the home"),
        "cloud": Option("none", "whose credentials a release gets, by OIDC", ("none", "aws", "gcp", "azure")),
    }

    def write(self, exported: Exported, to: Path) -> tuple[Path, ...]:
        """The pipelines, each where its system looks for it. Raises UsageError for an option that cannot be one."""
        told = exported.options
        _checked(told)
        labels = told["runner"].split(",")
        words = {
            "MODEL": exported.model,
            "NAME": exported.name,
            "PATTERN": re.escape(exported.model),
            "BRANCH": told["branch"],
            "PYTHON": told["python"],
            "FOLDER": str(PurePosixPath(told["folder"])),
            "LABELS": _listed(labels),
            "TAGS": _listed([label for label in labels if label != "self-hosted"] or labels[:1]),
            "FAIRLEAD": exported.fairlead,
            "EXTRAS": told["extras"],
        }
        made = []
        for provider, (path, text, clouds) in _FORMS.items():
            if told["provider"] in {provider, "both"}:
                file = to / filled(path, {"MODEL": exported.name})
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(filled(text, {**clouds[told["cloud"]], **words}), encoding="utf-8")
                made.append(file)
        return tuple(made)

    def notes(self, exported: Exported) -> tuple[str, ...]:
        """What has to be set up beside the files."""
        runner = exported.options["runner"]
        return (
            "Copy the files to the root of the repository: --out writes them aside, so that nothing is replaced there.",
            f"Jobs that make and release versions run where the home lies: a runner with {runner}, whose variable "
            "FAIRLEAD_HOME names it; jobs of pull requests run anywhere and see none of it.",
        )


def _listed(words: list[str]) -> str:
    """In quotes: without, 1.10 would be a number of YAML's."""
    return ", ".join(f'"{word}"' for word in words)


def filled(text: str, words: Mapping[str, str]) -> str:
    """`text` with @WORD@ replaced; words may hold words."""
    for _ in range(2):
        text = re.sub(r"@([A-Z_]+)@", lambda found: words.get(found[1], found[0]), text)
    return text


def _checked(told: Mapping[str, str]) -> None:
    folder = PurePosixPath(told["folder"])
    if folder.is_absolute() or ".." in folder.parts or not (told["folder"] == "." or _PLAIN.fullmatch(told["folder"])):
        raise UsageError(f"--set folder={told['folder']}: a folder inside the repository, as models/churn.")
    if not _PLAIN.fullmatch(told["branch"]):
        raise UsageError(f"--set branch={told['branch']}: the name of a branch, as main.")
    if not _WORDS.fullmatch(told["extras"]):
        raise UsageError(f"--set extras={told['extras']}: names with commas between, as studio,boosting.")
    if not _WORDS.fullmatch(told["runner"]):
        raise UsageError(f"--set runner={told['runner']}: labels with commas between, as self-hosted,fairlead.")
