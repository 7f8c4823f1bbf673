"""Experiments: what to show, who sees what, and what it brought."""
