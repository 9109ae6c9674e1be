"""Middle and spread of a few numbers that some wild ones cannot move."""

from __future__ import annotations

from rules.compiling import kernel

SIGMA_OF_MAD = 1.4826
"""The standard deviation of normal noise for each unit of its median absolute deviation."""


@kernel
def median(numbers, n):  # type: ignore[no-untyped-def]
    """The median of the first n numbers (1 or more), which are put in order: quick for a few dozen."""
    for i in range(1, n):
        x = numbers[i]
        k = i
        while k > 0 and numbers[k - 1] > x:
            numbers[k] = numbers[k - 1]
            k -= 1
        numbers[k] = x
    return middle(numbers, n)


@kernel
def middle(ordered, n):  # type: ignore[no-untyped-def]
    """The median of the first n of sorted numbers."""
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2.0
