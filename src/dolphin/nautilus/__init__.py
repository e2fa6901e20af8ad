"""DAL A: the plug-in that guards an unchanged Nautilus strategy."""
