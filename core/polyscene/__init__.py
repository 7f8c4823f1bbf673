"""Polyscene: one pretrained backbone, many recommendation scenarios."""
