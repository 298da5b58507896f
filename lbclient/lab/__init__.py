"""A private network in which the reference server, its HAProxy processes and the guide's machines run unprivileged."""
