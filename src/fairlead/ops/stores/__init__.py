"""Where objects lie: folders, S3, Azure Blob, GCS, HDFS, behind one port (`fairlead.contract.stores`)."""

from fairlead.ops.stores.opening import store_of

__all__ = ["store_of"]
