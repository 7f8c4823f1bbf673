"""New plugins: a complete package from templates, with a sample of generated data and tests that pass."""

from polyscene.scaffold.package import KINDS as KINDS
from polyscene.scaffold.package import NewPlugin as NewPlugin
from polyscene.scaffold.package import new_plugin as new_plugin

__all__ = ["KINDS", "NewPlugin", "new_plugin"]
