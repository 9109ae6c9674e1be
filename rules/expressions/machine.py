"""The stack machine that runs a compiled expression, and how it reckons with what is not known.

A program is a run of instructions (operation, operand) in postfix order. A number is known or not; a condition is true,
false or not known (Kleene: false and unknown is false, true or unknown is true, anything else with an unknown is
unknown). What rests on a tag that is not trusted enough is not known, nor is a result that is no finite number.

Of a number that is not known bounds may be: `max` is at least what one of its values is, `min` at most. So every number
lies on the stack as the least and the most that it can be: both the same when it is known, infinite when nothing is;
and a condition as 0 to 1 when it is not known. Sums, differences, and products and quotients with a number that is
known keep bounds (they round monotonously), comparisons decide by them. So `max(a, b) > 80` decides as early as
`a > 80 or b > 80`, which is longer.
"""

from __future__ import annotations

import numpy as np

from rules.compiling import kernel

CONST, TAG, ADD, SUB, MUL, DIV, NEG, ABS, MIN, MAX, MEAN, IF = range(12)
LT, LE, GT, GE, EQ, NE, AND, OR, NOT = range(12, 21)
MOST_STACK = 32
"""Deep enough for every tree that `reading` lets through: a branch is at most so deep, and a call has 16 values."""

UNKNOWN, FALSE, TRUE = -1, 0, 1


@kernel
def _joined(op, a, a_high, b, b_high):  # type: ignore[no-untyped-def]
    """The bounds of what joins a number or condition from a to a_high and one from b to b_high; NaN: nothing known."""
    exact = b == b_high
    if op == AND:
        return max(min(a, b), 0.0), min(a_high, b_high, 1.0)
    if op == OR:
        return max(a, b, 0.0), min(max(a_high, b_high), 1.0)
    if op == ADD:
        return a + b, a_high + b_high
    if op == SUB:
        return a - b_high, a_high - b
    if op == MUL:
        if not exact:
            a, a_high, b, exact = b, b_high, a, a == a_high
        if not exact or (b == 0.0 and a != a_high):
            return np.nan, np.nan
        return min(a * b, a_high * b), max(a * b, a_high * b)
    if op == DIV:
        if not exact or b == 0.0:
            return np.nan, np.nan
        return min(a / b, a_high / b), max(a / b, a_high / b)
    if op == LT:
        yes, no = a_high < b, a >= b_high
    elif op == LE:
        yes, no = a_high <= b, a > b_high
    elif op == GT:
        yes, no = a > b_high, a_high <= b
    elif op == GE:
        yes, no = a >= b_high, a_high < b
    else:
        yes, no = a == a_high == b == b_high, a_high < b or b_high < a
        if op == NE:
            yes, no = no, yes
    return 1.0 if yes else 0.0, 0.0 if no else 1.0


@kernel
def number(ops, operands, start, stop, values, trust, least, low, high):  # type: ignore[no-untyped-def]
    """Run instructions `start` to `stop`; the result is NaN where it is not known, 0.0 and 1.0 for a condition.

    `values` and `trust` are those of the tags, of which trust below `least` counts as unknown; the stacks `low` and
    `high` (MOST_STACK,) f8 are overwritten.
    """
    top = -1
    for place in range(start, stop):
        op = ops[place]
        if op == CONST:
            top += 1
            low[top] = high[top] = operands[place]
        elif op == TAG:
            top += 1
            tag = int(operands[place])
            low[top] = high[top] = values[tag] if trust[tag] >= least else np.nan
        elif op == NEG:
            low[top], high[top] = -high[top], -low[top]
        elif op == ABS:
            low[top] = high[top] = abs(low[top]) if low[top] == high[top] else np.nan
        elif op == NOT:
            low[top], high[top] = 1.0 - min(high[top], 1.0), 1.0 - max(low[top], 0.0)
        elif op in (MIN, MAX, MEAN):
            count = int(operands[place])
            top -= count - 1
            least_of, most_of = low[top], high[top]
            for k in range(top + 1, top + count):
                if op == MIN:
                    least_of, most_of = min(least_of, low[k]), min(most_of, high[k])
                elif op == MAX:
                    least_of, most_of = max(least_of, low[k]), max(most_of, high[k])
                else:
                    least_of, most_of = least_of + low[k], most_of + high[k]
            low[top] = least_of / count if op == MEAN else least_of
            high[top] = most_of / count if op == MEAN else most_of
        elif op == IF:
            top -= 2
            if low[top] == high[top]:
                chosen = top + 1 if low[top] != 0.0 else top + 2
                low[top], high[top] = low[chosen], high[chosen]
            else:
                low[top] = high[top] = np.nan
        else:
            top -= 1
            low[top], high[top] = _joined(op, low[top], high[top], low[top + 1], high[top + 1])
        if not (low[top] < np.inf and high[top] > -np.inf):  # no number, or none that is finite
            low[top] = -np.inf
            high[top] = np.inf
    if top < 0 or low[top] != high[top]:
        return np.nan
    return low[top]


@kernel
def truth(ops, operands, start, stop, values, trust, least, low, high):  # type: ignore[no-untyped-def]
    """`TRUE`, `FALSE` or `UNKNOWN` of a program that is a condition."""
    result = number(ops, operands, start, stop, values, trust, least, low, high)
    if result != result:
        return UNKNOWN
    return TRUE if result != 0.0 else FALSE
