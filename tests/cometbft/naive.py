"""What a query means, slowly: the engine's own steps, one condition and one value at a time."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from trio_stream.cometbft.instants import read_date, read_time
from trio_stream.cometbft.items import Item, flattened
from trio_stream.cometbft.queries import (
    And,
    Condition,
    Expression,
    Generation,
    Kind,
    Not,
    OneEvent,
    Operator,
    Or,
)

COMPARED = {
    Operator.EQUAL: lambda a, b: a == b,
    Operator.LESS: lambda a, b: a < b,
    Operator.AT_MOST: lambda a, b: a <= b,
    Operator.GREATER: lambda a, b: a > b,
    Operator.AT_LEAST: lambda a, b: a >= b,
    Operator.CONTAINS: lambda a, b: b in a,
}


def holds(query: Expression, item: Item) -> bool:
    """Whether `query` holds of `item`."""
    match query:
        case And(parts):
            return all(holds(part, item) for part in parts)
        case Or(parts):
            return any(holds(part, item) for part in parts)
        case Not(part):
            return not holds(part, item)
        case OneEvent(part):
            alone = [Item((event,), item.implied) for event in item.events]
            return any(holds(part, each) for each in alone or [item])
        case Condition():
            return condition_holds(query, flattened(item))


def condition_holds(condition: Condition, found: dict[str, list[str]]) -> bool:
    """Whether it holds in the map that the engine makes."""
    if condition.generation is Generation.UP_TO_0_37:
        if condition.operator is Operator.EXISTS and "." not in condition.key:
            return any(key.startswith(condition.key) for key in found)
        values = found.get(condition.key, [])
        if condition.operator is Operator.EXISTS:
            return condition.key in found
        return any(old_value_holds(condition, value) for value in values)
    for composite, values in found.items():
        kind, _, key = composite.rpartition(".")
        if not condition.key.startswith(kind):
            continue
        if condition.key == kind:
            values = [""]
        elif condition.key != f"{kind}.{key}":
            continue
        if any(value_holds(condition, value) for value in values):
            return True
    return False


def value_holds(condition: Condition, value: str) -> bool:
    operator, operand = condition.operator, condition.operand
    if operator is Operator.EXISTS:
        return True
    a: Any
    b: Any
    match condition.kind:
        case Kind.TEXT:
            a, b = value, operand
        case Kind.NUMBER:
            leading = re.match(r"[0-9]+(\.[0-9]+)?", value)
            if leading is None:
                return False
            a, b = Decimal(leading[0]), Decimal(operand)
        case Kind.TIME:
            a, b = read_time(value), read_time(operand)
        case Kind.DATE:
            a, b = read_date(value), read_date(operand)
    return a is not None and bool(COMPARED[operator](a, b))


def old_value_holds(condition: Condition, value: str) -> bool:
    a: Any
    b: Any
    if condition.kind is Kind.TEXT:
        a, b = value, condition.operand
    elif condition.kind is Kind.NUMBER:
        somewhere = re.search(r"[0-9.]+", value)
        if somewhere is None:
            return False
        try:
            if "." in condition.operand:
                a, b = float(somewhere[0]), float(condition.operand)
            else:
                float(somewhere[0])
                a, b = Decimal(somewhere[0].split(".")[0]), Decimal(condition.operand)
        except (ValueError, InvalidOperation):
            return False
    else:
        a = read_time(value) if "T" in value else read_date(value)
        b = (read_time if condition.kind is Kind.TIME else read_date)(condition.operand)
    return a is not None and bool(COMPARED[condition.operator](a, b))
