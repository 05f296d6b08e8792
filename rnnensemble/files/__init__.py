"""All that is read and written: run folders, sweep folders, arrays.

A folder is whole or not there, and nothing is ever unpickled. Results travel as trees of arrays:
orbax writes large ones, flax small ones.
"""
