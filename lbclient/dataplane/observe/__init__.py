"""Health, statistics and process exits become operating statuses and counters."""
