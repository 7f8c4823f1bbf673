"""States something else than a version."""

POLYSCENE_API = "one"
