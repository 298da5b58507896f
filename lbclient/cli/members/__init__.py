"""Commands about many members or their connections: drain and set-all."""
