"""Hosts beside that of the server: what their agents may ask and report, and where load balancers run."""
