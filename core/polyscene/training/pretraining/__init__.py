"""Further training of the backbone on the scenarios' own texts."""

from polyscene.training.pretraining.run import pretrain

__all__ = ["pretrain"]
