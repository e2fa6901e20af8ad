"""DAL B: readings become integers here.

Theory of operation. `source.build(config)` names the feeds of a run and makes, for each, a sensor and its sessions.
Rows reach a sensor in strides; it keeps one row per grid cell of time, so that what it says is a function of the rows
and not of how they were batched, and costs little when they are dense. Nothing is computed before `reading` asks. What
cannot be read (missing, non-finite, negative) is an error reading, never a number.
"""
