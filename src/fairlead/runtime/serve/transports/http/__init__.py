"""HTTP/1.1 of the bare transport: heads, bodies, connections, deadlines, certificates. Ours alone, see `bare`."""
