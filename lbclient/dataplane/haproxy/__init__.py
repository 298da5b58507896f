"""HAProxy processes, their runtime API, their certificates and their addresses."""
