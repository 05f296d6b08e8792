"""Many networks at once: recipes, one epoch of one network, slots of the devices, populations.

`train` trains populations and `deflate` those that shall differ from others; `evaluation` runs what
came of it on fresh trials. Losses, penalties and gradients are written for one network.
"""
