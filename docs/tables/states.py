"""The states of an instance and of a delivery, from the enumerations that the ledger uses."""

import ast
import inspect
from enum import Enum
from itertools import pairwise

from docs.tables import table
from service.ledger import ArrivalKind
from service.vocabulary.states import TRANSITIONS, CommitmentState, DeliveryState, State

#: How a new instance starts, as the ledger's admission decides; a test registers one of each.
FIRST = {
    ArrivalKind.IMAGE: State.RECEIVED,
    ArrivalKind.NOT_AN_IMAGE: State.OUT_OF_SCOPE,
    ArrivalKind.OTHER_IMAGE: State.OUT_OF_SCOPE,
    ArrivalKind.OWN: State.OWN,
}


def member_docs(enumeration: type[Enum]) -> dict[str, str]:
    """Return the string below each member of an enumeration."""
    body = next(node.body for node in ast.parse(inspect.getsource(enumeration)).body if isinstance(node, ast.ClassDef))
    docs = {}
    for statement, following in pairwise(body):
        if isinstance(statement, ast.Assign) and isinstance(following, ast.Expr):
            target, value = statement.targets[0], following.value
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                docs[target.id] = str(value.value)
    return docs


def diagram() -> str:
    """Return the legal transitions of an instance as a Mermaid diagram."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {state.name}: {kind.value}" for kind, state in FIRST.items()]
    lines += [
        f"    {before.name} --> {after.name}"
        for before in State
        for after in sorted(TRANSITIONS[before], key=list(State).index)
    ]
    return "\n".join([*lines, "```"])


def states() -> str:
    """Return a heading for each state of an instance: what it means and what may follow."""
    docs = member_docs(State)
    parts = []
    for state in State:
        following = [item for item in State if item in TRANSITIONS[state]]
        after = ", ".join(f"`{item.name}`" for item in following) if following else "nothing"
        parts.append(f"### `{state.name}`\n\n{docs[state.name]}\n\nMay be followed by: {after}.")
    return "\n\n".join(parts)


def delivery_states() -> str:
    """Return the states of a delivery."""
    return _meanings(DeliveryState)


def commitment_states() -> str:
    """Return the states of a storage commitment that a peer asks of us."""
    return _meanings(CommitmentState)


def _meanings(enumeration: type[Enum]) -> str:
    docs = member_docs(enumeration)
    return table(("state", "meaning"), [(f"`{state.name}`", docs[state.name]) for state in enumeration])
