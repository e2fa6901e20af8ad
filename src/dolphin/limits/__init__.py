"""Pre-trade limits (DAL B): how much of an order's entry part each of them leaves, from integers alone.

What belongs here: the limits, their settings, and what they remember. No clock, no float, no Nautilus: the plug-in says
what it sees (dolphin.nautilus.ports.Looked), and the kernel applies the answer. docs/design/limits.md.
"""
