"""Comparison: finished runs side by side, with what each costs and which differences are more than chance."""
