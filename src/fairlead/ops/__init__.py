"""What keeps models healthy: project, state, audit, alerts, registry, rollout, monitor, flow, rehearse."""
