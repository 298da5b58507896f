"""The relay: a process beside HAProxy that forwards UDP and serves HAProxy's metrics under Octavia's names.

It imports only the standard library, so that it starts fast and stays small.
"""
