"""Needs a newer minor version."""

POLYSCENE_API = "1.99"
