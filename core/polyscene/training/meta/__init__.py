"""Meta-learning: a model that is trained to adapt from few rows.

:mod:`~polyscene.training.meta.inner` is the engine and knows of no model, an algorithm says what is fast and what
is learned from it, a scene makes a scenario of the model a function of fast parameters, and
:mod:`~polyscene.training.meta.serving` adapts a trained model.
"""
