"""Configs of the ecommerce scenario."""
