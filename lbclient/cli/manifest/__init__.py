"""Load balancers as files: apply, diff and export."""
