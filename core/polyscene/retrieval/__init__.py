"""Retrieval: the best items of a catalogue for many users at once, in process."""
