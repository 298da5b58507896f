"""From a snapshot to the text of an HAProxy configuration. Pure: no input or output."""
