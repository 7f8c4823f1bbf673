"""Meta-learning: a model that is trained to adapt from few rows."""
