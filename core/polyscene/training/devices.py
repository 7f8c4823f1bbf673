"""Devices and precision of a run, as Lightning Fabric launches them."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import TYPE_CHECKING

from polyscene.config.schema import TrainerConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def launch_fabric(trainer: TrainerConfig) -> Fabric:
    """Fabric for a trainer's options; with several devices it has started their processes when this returns."""
    _import_fabric()
    from lightning_fabric import Fabric

    # Before each run on a GPU it would advise a lower precision of float32 products, which is trainer.precision's.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    strategy = "auto"
    if trainer.devices > 1:
        from polyscene.training.processes import Processes

        strategy = Processes()
    fabric = Fabric(
        accelerator=trainer.accelerator, devices=trainer.devices, precision=trainer.precision, strategy=strategy
    )
    fabric.launch()
    return fabric


def _import_fabric() -> None:
    """Import Fabric without torchmetrics.

    Where that is installed, Fabric imports all of it, and with it transformers and much of scipy, to read its
    version for a part that we do not use: as long as importing torch and half as long again.
    """
    if "torchmetrics" in sys.modules:
        return
    sys.modules["torchmetrics"] = None  # type: ignore[assignment]  # to Python: not installed
    try:
        importlib.import_module("lightning_fabric")
    finally:
        del sys.modules["torchmetrics"]
