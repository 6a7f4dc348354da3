"""Variants of the port `window_check`: one way to look at a window each (`fairlead.ops.monitor.seen`)."""
