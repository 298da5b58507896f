"""What lies in the directory of a relay, and what can be said at its socket."""

from __future__ import annotations

PLAN = "relay.json"
PIDFILE = "relay.pid"
LOG = "relay.log"
SOCKET = "relay.sock"  # for the server
METRICS_SOCKET = "metrics.sock"  # for HAProxy, which asks for a page of metrics
EXPORTER_SOCKET = "exporter.sock"  # of HAProxy, which tells its own metrics
HEALTH_EVENTS_SOCKET = "alarms.sock"  # of the server, which hears of health there

TAKE = "take"  # beside HAProxy's `show info` and `show stat`: do what the plan says now
