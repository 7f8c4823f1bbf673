"""Policies by name and in files: ``policy.json`` says which it is, ``policy.safetensors`` what it learned."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyscene.config.validate import from_mapping_or_raise
from polyscene.errors import CheckpointError
from polyscene.experiments.policies.policy import Policy
from polyscene.registry.components import Registry
from polyscene.training.files import read_json, read_tensors, write_json, write_tensors

_FACTS, _TENSORS = "policy.json", "policy.safetensors"


def build_policy(registry: Registry, name: str, options: Mapping[str, Any] | None = None, d: int = 0) -> Policy:
    """A policy that has learned nothing.

    Args:
        registry: knows the components.
        name: of a component of the kind ``policy``.
        options: of its config class.
        d: width of user states and item vectors.

    Raises:
        ConfigError: there is no such policy, or an option is wrong.
    """
    component = registry.get("policy", name)
    config = from_mapping_or_raise(component.config, options or {}, where=f"options of policy '{name}'")
    return component.build(config, d=d)


def save_policy(policy: Policy, folder: Path) -> None:
    """Write a policy into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    if tensors := policy.state_dict():
        write_tensors(folder / _TENSORS, tensors)
    options = dataclasses.asdict(policy.config)
    write_json(folder / _FACTS, {"name": policy.name, "options": options, "d": policy.d})


def load_policy(registry: Registry, folder: Path) -> Policy:
    """A policy as it was saved.

    Raises:
        CheckpointError: a file is missing or damaged.
        ConfigError: the policy is not installed.
    """
    facts = read_json(folder / _FACTS)
    policy = build_policy(registry, facts["name"], facts["options"], facts["d"])
    if policy.state_dict():
        path = folder / _TENSORS
        try:
            policy.load_state_dict(read_tensors(path))
        except RuntimeError as error:
            raise CheckpointError(
                f"the state is not that of policy '{policy.name}': {error}", where=str(path), fix="learn it anew"
            ) from None
    return policy
