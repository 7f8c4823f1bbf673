"""Adapting a trained model to a scenario that it never saw, from a few labelled rows."""
