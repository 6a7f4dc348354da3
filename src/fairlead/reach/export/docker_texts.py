"""The texts of a build context: Dockerfile, what settles an installed tree, compose file, README."""

from __future__ import annotations

import json
import shlex

from fairlead.reach.export.alone import needed
from fairlead.reach.export.exported import Exported

USER = 65532
HOME = "/var/lib/fairlead"
BUNDLE = "/opt/bundle"
TERMS = "/opt/terms.json"
VENV = "/opt/fairlead"

DOCKERIGNORE = """\
# Only what the Dockerfile names goes to the builder.
*
!bundle
!terms.json
!wheels
!requirements.txt
!settle.py
!sbom.cdx.json
!LICENCES.txt
"""

SETTLE = '''\
"""Runs while the image is built: compiles once what would be compiled at every start, removes what never runs.

Bytecode is checked by no time of a file, so two builds write the same bytes.
"""

import compileall
import pathlib
import py_compile
import shutil
import subprocess
import sys
import sysconfig
import venv

MODE = py_compile.PycInvalidationMode.UNCHECKED_HASH
NEVER_RUN = ("ensurepip", "idlelib", "lib2to3", "test", "tkinter", "turtledemo")
INSTALLERS = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack")


def compiled(folder: pathlib.Path) -> None:
    for old in sorted(folder.rglob("__pycache__")):
        shutil.rmtree(old)
    if not compileall.compile_dir(folder, quiet=1, force=True, invalidation_mode=MODE, maxlevels=40):
        sys.exit(f"{folder} cannot be compiled")


def without_installers(libraries: pathlib.Path) -> None:
    for name in NEVER_RUN:
        shutil.rmtree(libraries / name, ignore_errors=True)
    packages = libraries / "site-packages"
    for found in sorted(packages.glob("*")) if packages.is_dir() else ():
        if found.name.split("-")[0] in INSTALLERS:
            shutil.rmtree(found) if found.is_dir() else found.unlink()
    for found in sorted(pathlib.Path(sys.base_prefix, "bin").glob("pip*")):
        found.unlink()


def installed(where: str, *index: str) -> None:
    venv.create(where, symlinks=True, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", f"{where}/bin/python", "--disable-pip-version-check"]
    locked = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement=/build/requirements.txt"]
    found = ["--find-links=/build/wheels", *index]
    subprocess.run([*pip, "install", "--no-cache-dir", "--no-compile", "--quiet", *locked, *found], check=True)
    subprocess.run([*pip, "check"], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    compiled(pathlib.Path(where, "lib", version, "site-packages"))


if sys.argv[1] == "install":
    installed(*sys.argv[2:])
else:
    standard = pathlib.Path(sysconfig.get_path("stdlib"))
    without_installers(standard)
    compiled(standard)
    home = pathlib.Path(sys.argv[2])
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o770)
    # The group is root's: platforms that start images as a user of their own put that user into it.
    shutil.chown(home, int(sys.argv[3]), 0)
'''

_DOCKERFILE = """\
# Written by `fairlead export docker`; the same version of a model gives the same bytes.
# Built twice with `buildah bud --timestamp 0` (or BuildKit with SOURCE_DATE_EPOCH=0 and rewrite-timestamp=true),
# it has the same digest (in OCI's format, which has no HEALTHCHECK; Docker's names the build in its configuration).
# BASE may be any image with this Python and pip, best named by its digest.
ARG BASE={base}

FROM ${{BASE}} AS build
ENV PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
COPY requirements.txt settle.py /build/
COPY wheels/ /build/wheels/
RUN ["python", "-B", "/build/settle.py", "install", "{venv}"{index}]

FROM ${{BASE}}
{labels}
ENV PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
COPY settle.py /tmp/settle.py
RUN ["python", "-B", "/tmp/settle.py", "base", "{home}", "{user}"]
COPY --from=build {venv} {venv}
COPY sbom.cdx.json LICENCES.txt {venv}/share/
COPY terms.json {terms}
COPY bundle/ {bundle}/
ENV PYTHONHASHSEED=random PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1
USER {user}:{user}
WORKDIR {home}
VOLUME ["{home}"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \\
  CMD ["{venv}/bin/python", "-m", "fairlead.runtime.serve", "--healthy", "--home", "{home}"]
ENTRYPOINT {entry}
"""

_COMPOSE = """\
# To try it: docker compose up --build, then ask http://127.0.0.1:8080/predict/{model}
services:
  "{name}":
    build: .
    image: "{image}"
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    ports: ["127.0.0.1:8080:8080"]
    volumes: ["records:{home}"]
    environment:
      # A secret of 32 characters or more: then callers say `Authorization: Bearer …`.
      FAIRLEAD_KEY: ${{FAIRLEAD_KEY:-}}{secrets}
volumes:
  records: {{}}
"""

_README = """\
# {model}, {version}: an image of the data plane

Build it: `docker build -t {image} .`, or, with the same digest each time, `buildah bud --timestamp 0 -t {image} .`

Run it: `docker run --read-only --cap-drop ALL -p 127.0.0.1:8080:8080 -v records:{home} {image}`

Ask it: `curl -d {row} -H 'Content-Type: application/json' http://127.0.0.1:8080/predict/{model}`

The same image is what SageMaker (`serve`), Vertex AI, Azure ML and KServe start: it reads their variables.
It runs as user {user}, writes to {home} alone, and trusts seals of `{signer}` alone.
{secrets}What follows the image's name goes to the server: `--workers 2`, `--bundle PATH`, `--grpc-port 8081`.

| file | what |
|---|---|
| `bundle/` | the sealed model, id `{bundle_id}` |
| `terms.json` | how the project wants it to answer and be recorded: redaction, sampling, limits, telemetry |
| `requirements.txt`, `wheels/` | what is installed, by hash |
| `sbom.cdx.json`, `LICENCES.txt` | CycloneDX bill of materials and licences of that; the base image has its own |
| `settle.py` | compiles once and removes the installers while the image is built |
"""


_SECRETS = {
    "redact-key": "Give `{variable}` the digits of `keys/redact.key` in the project's home, so that what it redacts "
    "has the same\nhash everywhere; without it each volume makes a key of its own.",
    "records-key": "Give `{variable}` the key of `[capture] encrypt`: without it nothing starts.",
}


class Image:
    """The texts about one image. base: what it is built on."""

    def __init__(self, exported: Exported, base: str) -> None:
        self.exported, self.base = exported, base

    @property
    def entry(self) -> list[str]:
        """The entry point: words that platforms and people say come after it."""
        native = ["--trust-native"] if self.exported.native else []
        return [f"{VENV}/bin/python", "-m", "fairlead.runtime.serve", "--image", BUNDLE, "--terms", TERMS,
                "--home", HOME, "--trust", self.exported.signer, *native]  # fmt: skip

    def labels(self) -> dict[str, str]:
        """What the image says of itself."""
        exported = self.exported
        lineage = exported.manifest.lineage
        return {
            "com.amazonaws.sagemaker.capabilities.accept-bind-to-port": "true",
            "fairlead.bundle": exported.bundle,
            "fairlead.model": exported.model,
            "fairlead.signer": exported.signer,
            "fairlead.version": exported.fairlead,
            "org.opencontainers.image.base.name": self.base,
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.ref.name": exported.image,
            **({"org.opencontainers.image.revision": lineage.commit} if lineage.commit else {}),
            "org.opencontainers.image.title": exported.model,
            "org.opencontainers.image.version": exported.image.rpartition(":")[2],
        }

    def dockerfile(self) -> str:
        """The Dockerfile: what changes least comes first, the bundle last."""
        pairs = [f"{name}={json.dumps(said)}" for name, said in self.labels().items()]
        index = ', "--no-index"' if self.exported.options.get("wheels") else ""
        return _DOCKERFILE.format(
            base=self.base, venv=VENV, home=HOME, user=USER, bundle=BUNDLE, terms=TERMS, index=index,
            labels="LABEL " + " \\\n      ".join(pairs), entry=json.dumps(self.entry),
        )  # fmt: skip

    def compose(self) -> str:
        """A compose file to try it: read-only, without capabilities, open to this machine alone."""
        exported = self.exported
        secrets = "".join(f"\n      {one.variable}: ${{{one.variable}:-}}" for one in needed(exported))
        return _COMPOSE.format(
            model=exported.model, name=exported.name, image=exported.image, home=HOME, secrets=secrets
        )

    def readme(self) -> str:
        """How to build, run and ask it, with a golden row as the example."""
        exported = self.exported
        version = "" if exported.version is None else f"version {exported.version}"
        golden = exported.files.get("golden.jsonl", b"").splitlines()
        row = json.loads(golden[0]).get("row", {}) if golden else {}
        return _README.format(
            secrets="".join(f"{_SECRETS[one.entry].format(variable=one.variable)}\n" for one in needed(exported)),
            model=exported.model, version=version or f"bundle {exported.bundle[:12]}", image=exported.image, home=HOME,
            user=USER, signer=exported.signer, bundle_id=exported.bundle, row=shlex.quote(json.dumps(row)),
        )  # fmt: skip
