"""The stack machine that runs a compiled expression, and how it reckons with what is not known.

A program is a run of instructions (operation, operand) in postfix order. A number is known or not; a condition is true,
false or not known (Kleene: false and unknown is false, true or unknown is true, anything else with an unknown is
unknown). What rests on a tag that is not trusted enough is not known, nor is a result that is no finite number.
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
def number(ops, operands, start, stop, values, trust, least, stack, known):  # type: ignore[no-untyped-def]
    """Run instructions `start` to `stop`; the result is NaN where it is not known, 0.0 and 1.0 for a condition.

    `values` and `trust` are those of the tags, of which trust below `least` counts as unknown; `stack` (MOST_STACK,) f8
    and `known` (MOST_STACK,) i1 are overwritten.
    """
    top = -1
    for place in range(start, stop):
        op = ops[place]
        if op == CONST:
            top += 1
            stack[top] = operands[place]
            known[top] = 1
        elif op == TAG:
            top += 1
            tag = int(operands[place])
            stack[top] = values[tag]
            known[top] = 1 if trust[tag] >= least else 0
        elif op == NEG:
            stack[top] = -stack[top]
        elif op == ABS:
            stack[top] = abs(stack[top])
        elif op == NOT:
            stack[top] = 1.0 - stack[top]
        elif op in (MIN, MAX, MEAN):
            count = int(operands[place])
            top -= count - 1
            result = stack[top]
            for k in range(top + 1, top + count):
                known[top] &= known[k]
                if op == MIN:
                    result = min(result, stack[k])
                elif op == MAX:
                    result = max(result, stack[k])
                else:
                    result += stack[k]
            stack[top] = result / count if op == MEAN else result
        elif op == IF:
            top -= 2
            chosen = top + 1 if stack[top] != 0.0 else top + 2
            known[top] &= known[chosen]
            stack[top] = stack[chosen]
        else:
            top -= 1
            a, b = stack[top], stack[top + 1]
            both = known[top] & known[top + 1]
            if op == AND:
                no = (known[top] != 0 and a == 0.0) or (known[top + 1] != 0 and b == 0.0)
                stack[top] = 0.0 if no else 1.0
                both = 1 if no else both
            elif op == OR:
                yes = (known[top] != 0 and a != 0.0) or (known[top + 1] != 0 and b != 0.0)
                stack[top] = 1.0 if yes else 0.0
                both = 1 if yes else both
            elif op == ADD:
                stack[top] = a + b
            elif op == SUB:
                stack[top] = a - b
            elif op == MUL:
                stack[top] = a * b
            elif op == DIV:
                if b == 0.0:
                    both = 0
                else:
                    stack[top] = a / b
            elif op == LT:
                stack[top] = 1.0 if a < b else 0.0
            elif op == LE:
                stack[top] = 1.0 if a <= b else 0.0
            elif op == GT:
                stack[top] = 1.0 if a > b else 0.0
            elif op == GE:
                stack[top] = 1.0 if a >= b else 0.0
            elif op == EQ:
                stack[top] = 1.0 if a == b else 0.0
            else:
                stack[top] = 1.0 if a != b else 0.0
            known[top] = both
        if stack[top] - stack[top] != 0.0:  # no finite number
            known[top] = 0
            stack[top] = 0.0
    if top < 0 or known[top] == 0:
        return np.nan
    return stack[top]


@kernel
def truth(ops, operands, start, stop, values, trust, least, stack, known):  # type: ignore[no-untyped-def]
    """`TRUE`, `FALSE` or `UNKNOWN` of a program that is a condition."""
    result = number(ops, operands, start, stop, values, trust, least, stack, known)
    if result != result:
        return UNKNOWN
    return TRUE if result != 0.0 else FALSE
