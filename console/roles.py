"""Who may do what: one table, from which the tests make their matrix. What is not listed is denied."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMIN = "admin"


class Permission(StrEnum):
    READ = "read"
    ACKNOWLEDGE = "acknowledge"
    MANAGE_USERS = "manage_users"


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.ACKNOWLEDGE}),
    Role.ENGINEER: frozenset({Permission.READ, Permission.ACKNOWLEDGE}),
    Role.ADMIN: frozenset({Permission.READ, Permission.ACKNOWLEDGE, Permission.MANAGE_USERS}),
}


def allows(role: Role, permission: Permission) -> bool:
    return permission in PERMISSIONS.get(role, frozenset())
