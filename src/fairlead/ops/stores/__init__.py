"""Where objects lie: folders, S3, Azure Blob, GCS, HDFS, behind one port (`fairlead.contract.stores`)."""

from fairlead.ops.stores.bundles import StoredBundles
from fairlead.ops.stores.opening import store_at, store_of
from fairlead.ops.stores.records import Agreement, Mirror, Mirrored

__all__ = ["Agreement", "Mirror", "Mirrored", "StoredBundles", "store_at", "store_of"]
