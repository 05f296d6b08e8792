"""What is measured on populations: degeneracy and its parts, comparisons, and what explains them.

A measure runs trained networks on fresh trials that all of them share, and returns values with
intervals over networks. Arrays come in and values go out: nothing here draws or writes.
"""
