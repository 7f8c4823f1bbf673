"""Serving: a trained run answers requests, in process and over HTTP."""
