"""The command line: ``polyscene ...``."""
