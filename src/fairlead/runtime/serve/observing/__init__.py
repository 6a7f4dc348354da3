"""What a server says of itself beyond its answers: layers, errors, logs, traces, events. Off costs nothing."""
