"""Retrieval: the best items of a catalogue for many users at once, in process.

A :class:`Retriever` is made once from a trained model and the scenarios that are :class:`Served`; it turns users
into a :class:`Query` for each scenario and finds the :class:`Best` items for all of them in one call.
"""

from __future__ import annotations

from polyscene.retrieval.best import Best
from polyscene.retrieval.config import RetrievalConfig
from polyscene.retrieval.query import Query, Served
from polyscene.retrieval.retriever import Retriever

__all__ = ["Best", "Query", "RetrievalConfig", "Retriever", "Served"]
