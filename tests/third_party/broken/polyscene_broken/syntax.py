"""Is not even Python."""


def broken(:
