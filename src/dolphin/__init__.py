"""Dolphin: how much a trading system may risk, from how well it can see."""

__version__ = "0.1.0"
