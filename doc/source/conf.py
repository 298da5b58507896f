"""Sphinx configuration."""

from importlib.metadata import version as installed

project = "lbclient"
author = "the lbclient developers"
release = version = installed("lbclient")
extensions = ["cliff.sphinxext"]
autoprogram_cliff_application = "lbclient"
html_theme = "alabaster"
html_theme_options = {"description": "the load balancer that fits on a laptop", "page_width": "1100px"}
nitpicky = True
