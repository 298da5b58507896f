"""Pictures of a load balancer: the diagram, and its renderings as text, SVG, Mermaid and DOT."""
