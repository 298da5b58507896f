"""Running state: HAProxy processes that carry what the store asks for."""
