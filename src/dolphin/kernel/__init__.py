"""DAL A: the survival controller as pure integer functions. No float, no I/O, no clock, no global."""
