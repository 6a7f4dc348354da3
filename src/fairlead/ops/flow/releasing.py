"""Releases that Git says: a tag names a version of the model, and that version answers.

What a commit says stands in `releases/MODEL.toml` beside fairlead.toml; without that file a tag as `churn/v3` says it
by its name. To go back is to revert the commit and release again. Signers are known by a file that is no part of the
repository, so that whoever can push cannot say who may sign.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import ConfigInvalid, HeldByHuman, Refused, UsageError
from fairlead.ops.flow import release
from fairlead.ops.flow.freezing import require_thawed
from fairlead.ops.flow.workspace import Workspace

GIT_S = 60.0
FOLDER = "releases"
SIGNERS = "release_signers"
"""In the home's keys: whose signatures count. Where it is, nothing unsigned is released."""
LARGEST = 64 * 1024


class Said(msgspec.Struct, frozen=True):
    """What Git says. tag: empty where it is the commit itself. bundle: empty where only the version is named."""

    commit: str
    tag: str
    version: int
    bundle: str
    signer: str


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[release]` of `releases/MODEL.toml`."""

    version: int
    bundle: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    release: Release


class Released(msgspec.Struct, frozen=True):
    """What came of it. changed: False where that version answered alone already. confirmed: as `Deployed`."""

    said: Said
    changed: bool
    previous: int | None
    generation: int
    confirmed: int | None


def release_from_git(ws: Workspace, tag: str | None = None, *, despite: str = "") -> Released:
    """Let the version answer that the tag says; without one, that the commit at hand says.

    Done twice it changes nothing. Gates, freezes and what a person holds count as everywhere. despite: why a freeze is
    not waited for. Raises UsageError, Refused for a dirty tree, another commit than the tag's or a signature that does
    not hold, HeldByHuman, Frozen, NotAttested, VersionNotFound.
    """
    said = what_git_says(ws, tag)
    version = ws.state.version(ws.model, said.version)
    if said.bundle and said.bundle != version.bundle:
        raise Refused(
            f"{said.tag or said.commit[:12]} says that version {said.version} is bundle {said.bundle[:12]}, here it is "
            f"{version.bundle[:12]}: it was made in another home."
        )
    said = msgspec.structs.replace(said, bundle=version.bundle)
    intent = ws.state.intent(ws.model)
    answering = intent.variants if intent else ()
    before = next((v.version for v in answering if v.name == "champion"), None)
    if len(answering) == 1 and before == said.version and answering[0].bundle == version.bundle:
        return Released(said, False, None, ws.state.generation(), None)
    if intent is not None and intent.hold:
        raise HeldByHuman(f"{ws.model} was {intent.hold.replace('_', ' ')} by a person; `fairlead release` lifts that.")
    require_thawed(ws, despite)
    why = f"{said.tag or 'commit'} ({said.commit[:12]}){f', signed by {said.signer}' if said.signer else ''}"
    done = release.deploy(ws, said.version, why=f"released by Git: {why}")
    told = {"tag": said.tag, "commit": said.commit, "version": said.version, "signer": said.signer}
    ws.audit.record(ws.actor, "release from git", ws.model, why, told)
    return Released(said, True, before, done.generation, done.confirmed)


def what_git_says(ws: Workspace, tag: str | None) -> Said:
    """Read, and checked as `[release]` asks; nothing is changed."""
    git = _Git(ws.project.root)
    if not git.knows("HEAD"):
        raise UsageError("this repository has no commit yet: commit the project first.")
    commit = git("rev-parse", "--verify", "HEAD^{commit}")
    if tag:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}", tag) or not git.knows(f"refs/tags/{tag}"):
            raise UsageError(f"there is no tag {tag!r} in this repository: `git fetch --tags`?")
        tagged = git("rev-parse", "--verify", f"refs/tags/{tag}^{{commit}}")
        if tagged != commit:
            raise Refused(
                f"{tag} is commit {tagged[:12]} and the tree is at {commit[:12]}, whose settings would go with it: "
                f"`git switch --detach {tag}` first."
            )
    if ws.settings.release.clean:
        _require_clean(git)
    signer = _signer(ws, git, tag or "")
    found = _file_of(ws, git, commit)
    named = re.fullmatch(rf"{re.escape(ws.model)}/v([1-9][0-9]{{0,8}})", tag or "")
    if found is None and named is None:
        what = f"{tag} is no tag as {ws.model}/v3 and" if tag else "no --tag was given and"
        raise UsageError(f"{what} the commit has no {FOLDER}/{ws.model}.toml with a [release] version.")
    if found is not None and named is not None and found.version != int(named[1]):
        raise Refused(f"{tag} says version {named[1]}, and {FOLDER}/{ws.model}.toml in it says {found.version}.")
    version = found.version if found is not None else int(named[1]) if named else 0
    return Said(commit, tag or "", version, found.bundle if found else "", signer)


def _require_clean(git: _Git) -> None:
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".").splitlines()
    if changed:
        shown = ", ".join(line.split(maxsplit=1)[-1] for line in changed[:3])
        raise Refused(
            f"the tree differs from its commit ({shown}{', …' if len(changed) > 3 else ''}): commit or restore it. "
            "`[release] clean = false` lets it be."
        )


def _file_of(ws: Workspace, git: _Git, commit: str) -> Release | None:
    """What the commit's own file says, whatever lies in the tree."""
    path = f"{FOLDER}/{ws.model}.toml"
    if not git("ls-tree", "--name-only", commit, "--", f"./{path}"):
        return None
    text = git("show", f"{commit}:./{path}")
    if len(text) > LARGEST:
        raise ConfigInvalid("is larger than 64 KiB", file=path)
    try:
        told: Any = tomllib.loads(text)
        found = msgspec.convert(told, _File).release
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as wrong:
        raise ConfigInvalid(str(wrong), file=path, cure="It says: [release], version = 3.") from None
    if found.version < 1 or not re.fullmatch(r"([0-9a-f]{64})?", found.bundle):
        raise ConfigInvalid("version is a number from 1 on, bundle a whole bundle id or left out", file=path)
    return found


def _signer(ws: Workspace, git: _Git, tag: str) -> str:
    """Who signed it; empty where nobody has to. Raises Refused where somebody has to and no known signer did."""
    asked = ws.settings.release
    own = ws.home.keys / SIGNERS
    signers = Path(asked.signers).expanduser() if asked.signers else own
    if not asked.signed and not own.is_file():
        return ""
    if not signers.is_file():
        raise ConfigInvalid(
            "releases have to be signed, and nobody is known who may",
            key="release.signers",
            cure=f"Put a file of allowed signers (`man ssh-keygen`) at keys/{SIGNERS} in the home.",
        )
    what = tag or "HEAD"
    # A tag's own name is signed with it: under another one it is an old release that somebody plays again.
    if tag and git("for-each-ref", "--format=%(objecttype) %(tag)", f"refs/tags/{tag}") != f"tag {tag}":
        raise Refused(f"{tag} is not a signed tag of that name: `git tag --sign {tag}`.")
    words = ["-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers.absolute()}"]
    done = git.run(*words, "-c", "gpg.minTrustLevel=fully", "verify-tag" if tag else "verify-commit", "--raw", what)
    good = re.search(r'^Good "git" signature for (\S+) with ', done.stderr, re.MULTILINE)
    if done.returncode or good is None:
        raise Refused(f"{what} carries no signature of an allowed signer ({signers.name}).")
    return good[1]


class _Git:
    """Git in the project's folder, in words that do not depend on who asks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command. Raises UsageError where there is no git, or it does not end."""
        environ = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
        try:
            return subprocess.run(  # noqa: S603
                ["git", *words],  # noqa: S607
                cwd=self.folder, env=environ, capture_output=True, text=True, timeout=GIT_S, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except FileNotFoundError:
            raise UsageError("git is not installed, and `release --from-git` asks it.") from None
        except subprocess.TimeoutExpired:
            raise UsageError(f"git {words[0]} did not end within {GIT_S:.0f} s.") from None

    def knows(self, reference: str) -> bool:
        """Whether there is one."""
        return self.run("show-ref", "--verify", "--quiet", reference).returncode == 0

    def __call__(self, *words: str) -> str:
        """What it prints. Raises UsageError with its own last line."""
        done = self.run(*words)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise UsageError(f"git {words[0]}: {last[:200]}")
        return done.stdout.strip()
