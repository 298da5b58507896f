"""Translation of a snapshot into the text of an HAProxy configuration. Pure: no input or output."""
