"""What every room stands on: devices, one item mapped to many, factorizations, letters of shapes.

Nothing here knows of tasks, networks or distances. `runtime` alone touches devices, and `mapping`
alone spreads work over them.
"""
