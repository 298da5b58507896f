"""A process beside HAProxy for what that cannot do: it carries UDP, and words HAProxy's metrics as Octavia does.

It needs nothing but Python's own library, so that it starts fast and stays small.
"""
