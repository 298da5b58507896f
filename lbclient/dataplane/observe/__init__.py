"""Observation of processes: health, statistics and exits, stored as operating statuses and counters."""
