"""What a whole network costs, from what its primitives cost: decompose, cost, reduce, explore.

Everything here is values in, values out; ``bench.estimate.api`` is what programs call.
"""
