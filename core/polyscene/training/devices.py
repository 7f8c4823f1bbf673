"""Devices and precision of a run, as Lightning Fabric launches them."""

from __future__ import annotations

from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from polyscene.config.schema import TrainerConfig


def launch_fabric(trainer: TrainerConfig) -> Fabric:
    """Fabric for a trainer's options; with several devices it has started their processes when this returns."""
    # A step may hold some of the scenarios only, so some parameters get no gradient in it.
    strategy = DDPStrategy(find_unused_parameters=True) if trainer.devices > 1 else "auto"
    fabric = Fabric(
        accelerator=trainer.accelerator, devices=trainer.devices, precision=trainer.precision, strategy=strategy
    )
    fabric.launch()
    return fabric
