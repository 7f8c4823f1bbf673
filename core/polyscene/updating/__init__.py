"""Continual adaptation: a promoted model learns from feedback, and replaces itself where that is shown to help.

One update reads what the log has got since (:mod:`.reading`), makes rows of it (:mod:`.rows`, :mod:`.joining`),
trains a scenario's own parts on them beside rows of before (:mod:`.learning`, :mod:`.teaching`), compares old and
new on rows that neither learned from (:mod:`.kept`) and on lists of the log (:mod:`.replayed`), decides
(:mod:`.decision`) and writes a version (:mod:`.version`); :mod:`.run` does it all.
"""
