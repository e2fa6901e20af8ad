"""DAL B: readings become integers here."""
