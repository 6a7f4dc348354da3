"""The store that an address names: the variant of the port `store` under its scheme."""

from __future__ import annotations

from pathlib import Path

from fairlead.contract.errors import UsageError
from fairlead.contract.plugins import names, variant
from fairlead.contract.stores import Store, StoresSettings, StoreTerms
from fairlead.lab.tables.addresses import SCHEME, address_of

EXTRAS = {"s3": "clouds", "hdfs": "clouds", "az": "azure", "gs": "gcp"}
_SAME = {"s3a": "s3", "abfs": "az", "abfss": "az", "gcs": "gs", "webhdfs": "hdfs"}


def extra_of(scheme: str) -> str:
    """The extra with which addresses of this scheme are reached."""
    return EXTRAS.get(_SAME.get(scheme, scheme), "clouds")


def store_of(address: str, terms: StoreTerms | None = None) -> Store:
    """The store at an address: a folder, file://, s3://bucket/prefix, az://container/prefix, gs://bucket/prefix,
    hdfs://host:port/path (the port of WebHDFS), or the scheme of a plugin.

    ${NAME} in it is taken from the environment; credentials are where each store's own tools look for them. Nothing
    is asked of the store yet. Raises UsageError for an address that names none, MissingExtra.
    """
    place = address_of(address)
    scheme = _SAME.get(place.scheme, place.scheme) or "file"
    if scheme not in names("store"):
        raise UsageError(
            f"{place.shown}: unknown kind of store {place.scheme}://. Known: a folder, "
            + ", ".join(f"{name}://" for name in names("store") if name != "file")
            + "."
        )
    rest = SCHEME.sub("", place.text, count=1)
    if not rest.strip("/") and scheme != "file":
        raise UsageError(f"{place.shown}: says no bucket, container or host.")
    store: Store = variant("store", scheme, extra=extra_of(scheme))(rest, place.shown, terms or StoreTerms())
    return store


def store_at(address: str, settings: StoresSettings, root: Path) -> Store:
    """A store that a project names: `store_of` by its `[stores]`, a folder of it seen from the project's root."""
    return store_of(address if SCHEME.match(address) else str(root / address), settings.terms)
