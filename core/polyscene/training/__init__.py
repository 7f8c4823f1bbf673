"""Training: strategies, balancers, loggers and the loop."""

from polyscene.training import balancer, loggers, strategy

COMPONENTS = [*strategy.COMPONENTS, *balancer.COMPONENTS, *loggers.COMPONENTS]
