"""Tables, trees, drawings and screens."""
