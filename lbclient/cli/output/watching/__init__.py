"""Live traffic of load balancers: rates from counters, on a full screen or in lines."""
