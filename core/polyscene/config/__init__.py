"""Configs: composed by Hydra, checked by us, all problems at once."""
