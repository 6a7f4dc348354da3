"""A sealed bundle without training, as targets are given it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))

from bundle_samples import LINEAGE, files, write_files

from fairlead.contract.settings import ModelSettings, ServeSettings, Settings, TelemetrySettings
from fairlead.contract.signature import Signature
from fairlead.reach.export import Exported, Sealed
from fairlead.runtime.bundle import SigningKey, seal, verify
from fairlead.runtime.bundle.manifest import MANIFEST, SEAL, SIGNATURE


def exported(folder: Path, target: Any, telemetry: TelemetrySettings | None = None, **options: str) -> Exported:
    """Version 3 of model `Churn.2`, for a target with these of its options."""
    key = SigningKey(b"k" * 32)
    bundle = folder / "bundle"
    if not bundle.exists():
        write_files(bundle, files())
        seal(bundle, "Churn.2", LINEAGE, "linear", "2.4.6", key)
    held = verify(bundle, (key.public,))
    settings = Settings(
        model=ModelSettings(name="Churn.2", task="classification", target="left"),
        serve=ServeSettings(grpc_port=8081),
        telemetry=telemetry or TelemetrySettings(),
    )
    sealed = Sealed(
        bundle=held.id, version=3, folder=bundle, manifest=held.manifest, signer=held.signer,
        files={**held.files, **{name: (bundle / name).read_bytes() for name in (MANIFEST, SEAL)}},
        signature=msgspec.json.decode(held.files[SIGNATURE], type=Signature),
    )  # fmt: skip
    given = {name: option.default for name, option in target.options.items()}
    assert options.keys() <= given.keys()
    return Exported(
        model="Churn.2", settings=settings, root=folder, home=Path("nowhere"), trusted=(key.public,),
        fairlead="0.1.0", image="registry.example.org/team/churn:v3", options=given | options, sealed=sealed,
    )  # fmt: skip
