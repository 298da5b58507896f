"""Completion for bash, zsh and fish: their scripts get candidates from `lbclient __complete`."""
