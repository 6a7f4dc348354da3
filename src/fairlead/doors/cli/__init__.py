"""The command line: thin over `fairlead.doors.python`."""
