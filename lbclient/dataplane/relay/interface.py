"""The files and sockets in a relay's directory, and the command that its control socket adds to HAProxy's."""

from __future__ import annotations

PLAN = "relay.json"
PIDFILE = "relay.pid"
LOG = "relay.log"
SOCKET = "relay.sock"  # of the relay, for commands of the server
METRICS_SOCKET = "metrics.sock"  # of the relay, from which HAProxy gets the page of metrics
EXPORTER_SOCKET = "exporter.sock"  # of HAProxy, with its own metrics
TRAFFIC_SOCKET = "traffic.sock"  # of the server, for lines of the traffic log
HEALTH_EVENTS_SOCKET = "alarms.sock"  # of the server, for health events

TAKE = "take"  # beside HAProxy's `show info` and `show stat`: read the plan again and apply it
