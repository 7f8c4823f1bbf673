"""Was written for an API that has not come yet."""

POLYSCENE_API = "2.0"
