"""DAL B: an independent process that cancels what a dead or hung trading process has left (docs/design/watchdog.md)."""
