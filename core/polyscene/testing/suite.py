"""What suites of components have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from polyscene.config.validate import from_mapping_or_raise
from polyscene.registry.components import Component, Registry


class ComponentSuite:
    """Tests of one component; a subclass names it, and pytest runs the tests that it inherits.

    Attributes:
        component: what is tested.
        options: its options, where the defaults do not do; checked against its config class as a config's are.
        kind: the kind of component that the suite is for.
    """

    kind: ClassVar[str] = ""
    component: ClassVar[Component]
    options: ClassVar[Mapping[str, Any]] = {}

    def made(self, **context: Any) -> Any:
        """The component, built as the engine does it.

        Args:
            context: what the contract of its kind says, such as ``d_model`` for a fusion.
        """
        return self.component.build(self.config(), **context)

    def config(self) -> Any:
        """Its options as an instance of its config class; ``None`` where it has none."""
        return from_mapping_or_raise(self.component.config, self.options, where=f"options of {self.name}")

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.component.kind} '{self.component.name}'"

    def test_the_component_is_registered_properly(self) -> None:
        """Kind and name are what a config can choose, and all options have defaults."""
        Registry([self.component])
        assert self.component.kind == self.kind, f"{self.name} is tested as {self.kind}"
        assert self.component.name.isidentifier(), f"{self.name}: use lower-case letters, digits and _"
        assert self.component.name == self.component.name.lower(), f"{self.name}: use lower-case letters"
        self.config()
