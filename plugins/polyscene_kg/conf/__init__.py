"""Config groups of the kg plugin."""
