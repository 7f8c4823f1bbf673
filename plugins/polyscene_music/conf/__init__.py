"""Configs of the music scenario."""
