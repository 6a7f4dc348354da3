"""Where state is kept: one module a database, each behind `backends.port.Backend`."""
