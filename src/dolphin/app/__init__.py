"""Wiring only: command line, configuration and runs. It decides nothing and may import all."""
