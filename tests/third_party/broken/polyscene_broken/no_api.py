"""States no API version."""
