"""The small language of rule kind `expression`: read (`reading`), typed and compiled (`compiling`), run (`machine`).

It has numbers with units, tags in braces, arithmetic, comparisons, `and`, `or`, `not`, and a handful of functions; it
has no names, no assignments, no loops and nothing that could reach the world. Nothing of it is ever run by Python.
"""
