"""Training: a recording of a unit's healthy period becomes a model that rule kind `anomaly` compares with.

What is learned is a file; nothing in here reaches a running system. This is the only room that imports scipy.
"""
