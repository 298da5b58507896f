"""Telemetry of the server itself: metrics for Prometheus, and a log of the API's requests."""
