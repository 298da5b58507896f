"""The load-balancer API (Octavia v2)."""
