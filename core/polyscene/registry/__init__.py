"""Plugins and components: discovery, isolation of broken plugins, and lookup by name."""
