"""Config groups of the plugin."""
