"""Configs of the social scenario."""
