"""Choices of Hydra's own groups that need packages which Polyscene does not bring by itself."""

from __future__ import annotations

import importlib.util

from polyscene.errors import Problems

_MODULES = {
    "hydra/launcher": {
        "joblib": ("hydra_plugins.hydra_joblib_launcher", "sweep"),
        "ray": ("ray", "ray"),
        "slurm": ("hydra_plugins.hydra_submitit_launcher", "slurm"),
        "submitit_local": ("hydra_plugins.hydra_submitit_launcher", "slurm"),
    },
    "hydra/sweeper": {"optuna": ("optuna", "sweep")},
}


def hydra_choices() -> dict[str, list[str]]:
    """Launchers and sweepers that are known to work, by group."""
    return {group: ["basic", *modules] for group, modules in _MODULES.items()}


def lacks_package(group: str, name: str, problems: Problems) -> bool:
    """Whether a choice needs a package that is not installed; a problem is added then."""
    module, extra = _MODULES.get(group, {}).get(name, ("", ""))
    if not module or _is_installed(module):
        return False
    problems.add(
        f"{group}={name} needs a package that is not installed",
        fix=f'pip install -c constraints.txt -e ".[{extra}]" (or "polyscene[{extra}]")',
    )
    return True


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return False
