"""The client of a service, typed: it sends and gives what the server itself checks."""

from __future__ import annotations

from polyscene.serving.client.client import Client

__all__ = ["Client"]
