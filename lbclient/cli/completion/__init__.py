"""Completion for bash, zsh and fish: their scripts ask `lbclient __complete` what can stand at the cursor."""
