"""Desired state: what users asked for, in a database."""
