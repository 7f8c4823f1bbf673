"""Training: strategies, balancers, loggers and the loop."""

from polyscene.training import balancers, loggers, strategy

COMPONENTS = [*strategy.COMPONENTS, *balancers.COMPONENTS, *loggers.COMPONENTS]
