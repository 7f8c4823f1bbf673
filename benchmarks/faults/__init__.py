"""What breaks on purpose: processes killed at any moment, and what is left then."""
