"""Suites: a file says what is compared on what; the runs it needs are made, and one page shows them."""
