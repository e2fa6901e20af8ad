"""DAL B: trace-audit, which judges a journal."""
