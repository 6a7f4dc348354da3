"""What the platforms that run containers expect of one: where to listen, at which addresses to answer, which model.

Each reads its own environment variables; what the operator says in so many words goes before them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.runtime.serve.server import ServeOptions

EVERYWHERE = "0.0.0.0"  # noqa: S104 - a container's port is opened by its platform
_DEEPEST = 3
_MOST_FOLDERS = 1000


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """What a platform asks for.

    aliases: path of predictions -> codec spoken there. probes: paths where it asks for health. workers, timeout_s,
    max_body_mb: None where it says nothing. model: the folder it puts the model in, None where it names none here.
    remote: where the model is instead, if that is a place that this server does not fetch from.
    """

    name: str
    host: str = EVERYWHERE
    port: int = 8080
    aliases: dict[str, str] = {}
    probes: tuple[str, ...] = ()
    workers: int | None = None
    timeout_s: float | None = None
    max_body_mb: float | None = None
    model: Path | None = None
    remote: str = ""


def platform(name: str, environ: Mapping[str, str]) -> Platform:
    """The platform of that name, or the one that `environ` shows for "auto".

    Raises UsageError for an unknown one, for "auto" on none, and for variables that cannot be right.
    """
    if name == "auto":
        name = detected(environ)
        if not name:
            raise UsageError(f"no platform shows in the environment. Name one: {', '.join(sorted(_ALL))}.")
    if name not in _ALL:
        raise UsageError(f"unknown platform {name!r}. Known: {', '.join(sorted(_ALL))}, auto.")
    return _ALL[name](environ)


def detected(environ: Mapping[str, str]) -> str:
    """The platform that set these variables, empty for none.

    Only variables that a serving container is given count: a person's machine may well have SAGEMAKER_ROLE or
    AZUREML_RUN_ID, and must not start to listen on every address for it.
    """
    for name, shows in _SHOWS.items():
        if any(variable in environ for variable in shows):
            return name
    return ""


def applied(
    options: ServeOptions,
    found: Platform,
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
) -> ServeOptions:
    """Options as a platform needs them; host, port and workers, where given, are the operator's own.

    Without home and bundle, the bundle is the one in the platform's model folder. Raises UsageError for none there.
    """
    bundle = options.bundle
    if bundle is None and options.home is None:
        bundle = bundle_of(found)
    limits = options.limits
    if found.timeout_s is not None:
        limits = msgspec.structs.replace(limits, timeout_s=found.timeout_s)
    if found.max_body_mb is not None:
        limits = msgspec.structs.replace(limits, max_body_bytes=int(found.max_body_mb * 1024 * 1024))
    return msgspec.structs.replace(
        options,
        bundle=bundle,
        host=host or found.host,
        port=found.port if port is None else port,
        workers=workers or found.workers or options.workers,
        limits=limits,
        aliases={**found.aliases, **options.aliases},
        probes=(*found.probes, *options.probes),
        server=msgspec.structs.replace(options.server, platform=found.name),
    )


def bundle_of(found: Platform) -> Path:
    """The one bundle in the platform's model folder, or below it. Raises UsageError for none or several."""
    if found.model is None:
        if found.remote:
            raise UsageError(
                f"{found.name} names a model at {found.remote.split('://', 1)[0]}://, which is not fetched from here: "
                "put the bundle into the image and give it with --bundle"
            )
        raise UsageError(f"{found.name} names no model folder: give a bundle with --bundle, or a home with --home")
    bundles = _bundles(found.model)
    if len(bundles) == 1:
        return bundles[0]
    many = f"{len(bundles)} bundles" if bundles else "no bundle (a folder with manifest.json and seal.sig)"
    raise UsageError(f"{many} in the model folder of {found.name}: it must hold one, or give it with --bundle")


def _bundles(folder: Path) -> list[Path]:
    """Bundles in a folder and below, not looking into them."""
    found: list[Path] = []
    level, looked = [folder], 0
    for _ in range(_DEEPEST + 1):
        below: list[Path] = []
        for one in level:
            looked += 1
            if (one / "manifest.json").is_file() and (one / "seal.sig").is_file():
                found.append(one)
            elif looked < _MOST_FOLDERS and one.is_dir():
                below += sorted(path for path in one.iterdir() if path.is_dir() and not path.is_symlink())
        level = below
    return found


def _number(environ: Mapping[str, str], variable: str, otherwise: int | None, most: int = 1_000_000) -> int | None:
    """A whole number of a variable, `otherwise` where it is not set. Raises UsageError."""
    said = environ.get(variable, "").strip()
    if not said:
        return otherwise
    if not (said.isascii() and said.isdigit()) or len(said) > 9 or int(said) > most:
        raise UsageError(f"{variable} must be a whole number from 0 to {most}")
    return int(said)


def _port(environ: Mapping[str, str], variable: str, otherwise: int) -> int:
    found = _number(environ, variable, otherwise, 65535)
    return otherwise if found is None else found


def _route(environ: Mapping[str, str], variable: str) -> str:
    said = environ.get(variable, "").strip()
    if said and (not said.startswith("/") or len(said) > 512 or not said.isascii() or not said.isprintable()):
        raise UsageError(f"{variable} must be a path that begins with /")
    return said


def _sagemaker(environ: Mapping[str, str]) -> Platform:
    """Amazon SageMaker: endpoints and batch transform."""
    batch = environ.get("SAGEMAKER_BATCH", "").lower() in {"1", "true"}
    # A batch record may take ten minutes; 0 there is for payloads without a limit, which a server must not have.
    seconds = _number(environ, "SAGEMAKER_MODEL_SERVER_TIMEOUT", 600 if batch else 60, 86_400)
    payload = _number(environ, "SAGEMAKER_MAX_PAYLOAD_IN_MB", 100 if batch else 25, 100) or 100
    return Platform(
        name="sagemaker",
        port=_port(environ, "SAGEMAKER_BIND_TO_PORT", 8080),
        aliases={"/invocations": "sagemaker"},
        workers=_number(environ, "SAGEMAKER_MODEL_SERVER_WORKERS", None, 256) or None,
        timeout_s=float(seconds or 60),
        max_body_mb=float(payload),
        model=Path(environ.get("SM_MODEL_DIR") or "/opt/ml/model"),
    )


def _vertex(environ: Mapping[str, str]) -> Platform:
    """Google Vertex AI."""
    endpoint, deployed = environ.get("AIP_ENDPOINT_ID", ""), environ.get("AIP_DEPLOYED_MODEL_ID", "")
    usual = f"/v1/endpoints/{endpoint}/deployedModels/{deployed}" if endpoint and deployed else ""
    predict = _route(environ, "AIP_PREDICT_ROUTE") or (usual and f"{usual}:predict")
    health = _route(environ, "AIP_HEALTH_ROUTE") or usual
    storage = environ.get("AIP_STORAGE_URI", "").strip()
    local = storage if storage and "://" not in storage else ""
    return Platform(
        name="vertex",
        port=_port(environ, "AIP_HTTP_PORT", 8080),
        aliases={predict: "vertex"} if predict else {},
        probes=(health,) if health else (),
        model=Path(local) if local else None,
        remote="" if local else storage,
    )


def _azureml(environ: Mapping[str, str]) -> Platform:
    """Azure Machine Learning, with the addresses of its stock images."""
    folder = environ.get("AZUREML_MODEL_DIR", "").strip()
    seconds = _number(environ, "WORKER_TIMEOUT", None, 86_400)
    return Platform(
        name="azureml",
        port=5001,
        aliases={"/score": "azureml"},
        probes=("/",),
        workers=_number(environ, "WORKER_COUNT", None, 256) or None,
        timeout_s=float(seconds) if seconds else None,
        model=Path(folder) if folder else Path("/var/azureml-app/azureml-models"),
    )


def _kserve(environ: Mapping[str, str]) -> Platform:
    """KServe: V1 and V2 are at their usual addresses; Knative says the port."""
    return Platform(name="kserve", port=_port(environ, "PORT", 8080), model=Path("/mnt/models"))


def _container(environ: Mapping[str, str]) -> Platform:
    """Any other place that runs containers: its network is the platform's to open. Some say the port."""
    return Platform(name="container", port=_port(environ, "PORT", 8080))


_ALL: dict[str, Callable[[Mapping[str, str]], Platform]] = {
    "sagemaker": _sagemaker,
    "vertex": _vertex,
    "azureml": _azureml,
    "kserve": _kserve,
    "container": _container,
}
_SHOWS = {
    "sagemaker": (
        "SAGEMAKER_BIND_TO_PORT", "SAGEMAKER_SAFE_PORT_RANGE", "SAGEMAKER_BATCH", "SAGEMAKER_MODEL_SERVER_WORKERS",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT",
    ),
    "vertex": ("AIP_HTTP_PORT", "AIP_PREDICT_ROUTE", "AIP_HEALTH_ROUTE", "AIP_MODE"),
    "azureml": ("AZUREML_MODEL_DIR", "AZUREML_ENTRY_SCRIPT"),
}  # fmt: skip
