"""The identity API (Keystone v3) as far as clients of load balancers need it."""
