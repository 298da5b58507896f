"""The identity API (Keystone v3), as far as load-balancing clients need it."""
