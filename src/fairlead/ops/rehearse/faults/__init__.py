"""Variants of the port `fault`: one thing that may happen to rows each (`fairlead.ops.rehearse.fault`)."""
