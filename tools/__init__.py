"""Checks and runners for the people who work on this repo; nothing here is installed."""
