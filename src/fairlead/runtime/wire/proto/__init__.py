"""Messages of the protobuf interfaces that are spoken, built from compiled descriptors that ship beside them.

`make proto` compiles each `.proto` here to a `.binpb`. The classes live in a descriptor pool of their own: other
packages (Triton's client, KServe) register the same names in the process-wide one, where they may stand but once.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from fairlead.contract.errors import MissingExtra


@cache
def messages(file: str) -> Any:
    """Every message of `file`.proto, by name. protobuf is imported here. Raises MissingExtra without it."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ModuleNotFoundError:
        raise MissingExtra("protobuf", "grpc") from None
    found: dict[str, Any] = {}
    pool = descriptor_pool.DescriptorPool()
    described: Any = descriptor_pb2.FileDescriptorSet.FromString(compiled(file).read_bytes())
    for one in described.file:
        pool.Add(one)
        for message in pool.FindFileByName(one.name).message_types_by_name.values():
            found[message.name] = message_factory.GetMessageClass(message)
    return type(file, (), found)


def compiled(file: str) -> Path:
    """Where the descriptors of `file`.proto are."""
    return Path(__file__).with_name(f"{file}.binpb")
