"""Many conditions: what a sweep varies and costs, what it found, and how that is told.

Conditions and sweeps as TOML tables, forecasts of time and memory, the table of findings with the
paper's directions, tables, page and advice, and `benchmarking`, which says what a machine can do.
Values and text: nothing here touches a disk or a screen.
"""
