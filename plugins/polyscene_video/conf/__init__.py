"""Config groups of the video plugin."""
