"""Loggers: where the values of a run go besides metrics.jsonl. One tool per file."""

from __future__ import annotations

from polyscene.registry.components import Component
from polyscene.training.loggers.logger import Logger, NoLogger, build_none
from polyscene.training.loggers.mlflow import MLflowConfig, MLflowLogger
from polyscene.training.loggers.tensorboard import TensorBoardConfig, TensorBoardLogger
from polyscene.training.loggers.wandb import WandbConfig, WandbLogger

__all__ = [
    "COMPONENTS",
    "Logger",
    "MLflowConfig",
    "MLflowLogger",
    "NoLogger",
    "TensorBoardConfig",
    "TensorBoardLogger",
    "WandbConfig",
    "WandbLogger",
]

COMPONENTS = [
    Component("logger", "none", build_none),
    Component("logger", "tensorboard", TensorBoardLogger, TensorBoardConfig),
    Component("logger", "wandb", WandbLogger, WandbConfig),
    Component("logger", "mlflow", MLflowLogger, MLflowConfig),
]
