"""The tree of categories, kept by administrators: kinds of repair with skill, urgency, checklist, and who sends."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role
from kernel import audit_log, clock
from kernel.errors import Forbidden
from kernel.ids import parse_public_id, public_id, uuid7
from repairs.orders import queries
from repairs.orders.errors import CategoryUnfit
from repairs.orders.models import RepairCategory
from repairs.orders.schemas import CategoryChange, CategoryRequest, CategoryView, Skill, SkillView

# What a technician may be able to do.
SKILLS: Final[dict[Skill, tuple[str, str]]] = {
    "electrical": ("强电照明", "Electrical"),
    "plumbing": ("给排水", "Plumbing"),
    "hvac": ("暖通空调", "Heating and cooling"),
    "it": ("网络弱电", "Network and IT"),
    "lift": ("电梯", "Lifts"),
    "carpentry": ("木工门窗", "Carpentry"),
    "cleaning": ("保洁", "Cleaning"),
    "general": ("综合", "General"),
}


def skills() -> list[SkillView]:
    """All of them, with names."""
    return [SkillView(code=code, name_zh=zh, name_en=en) for code, (zh, en) in SKILLS.items()]


async def open_category(session: AsyncSession, actor: Principal, wanted: CategoryRequest) -> RepairCategory:
    """A new kind."""
    _require_editor(actor)
    if await session.scalar(select(RepairCategory.id).where(RepairCategory.code == wanted.code)):
        raise CategoryUnfit(reason="another category has this code")
    now = clock.now()
    category = RepairCategory(
        **wanted.model_dump(exclude={"parent", "checklist"}),
        id=uuid7(),
        parent_id=await _parent(session, None, wanted.parent),
        checklist=[line.model_dump() for line in wanted.checklist],
        created_at=now,
        changed_at=now,
    )
    session.add(category)
    await session.flush()
    await _note(session, actor, category, "open", wanted.model_dump(mode="json"))
    return category


async def change_category(
    session: AsyncSession, actor: Principal, category_id: UUID, body: CategoryChange
) -> RepairCategory:
    """Orders that were raised keep the checklist and the urgency that they have."""
    _require_editor(actor)
    category = await queries.get_category(session, category_id)
    for name, value in body.model_dump(exclude_unset=True, exclude={"parent"}).items():
        if value is not None or name == "skill":
            setattr(category, name, value)
    if "parent" in body.model_fields_set:
        category.parent_id = await _parent(session, category, body.parent)
    await _note(session, actor, category, "change", body.model_dump(mode="json", exclude_unset=True))
    return category


async def turn_category(
    session: AsyncSession, actor: Principal, category_id: UUID, *, is_retired: bool
) -> RepairCategory:
    """Out of use, or in use again; what was raised keeps it."""
    _require_editor(actor)
    category = await queries.get_category(session, category_id)
    category.retired_at = clock.now() if is_retired else None
    await _note(session, actor, category, "retire" if is_retired else "reopen", {})
    return category


async def _parent(session: AsyncSession, category: RepairCategory | None, parent: str | None) -> UUID | None:
    """Not itself, and nothing below it: three levels are walked at the most, and a tree has no more."""
    if parent is None:
        return None
    found = await queries.get_category(session, parse_public_id(queries.CATEGORY, parent))
    above: RepairCategory | None = found
    for _ in range(3):
        if above is None:
            return found.id
        if category is not None and above.id == category.id:
            break
        above = await queries.get_category(session, above.parent_id) if above.parent_id else None
    if above is None:
        return found.id
    raise CategoryUnfit(reason="the tree has three levels, and nothing stands below itself")


def _require_editor(actor: Principal) -> None:
    if not actor.holds(Role.SYSTEM_ADMIN):
        raise Forbidden(roles=[str(Role.SYSTEM_ADMIN)])


async def _note(
    session: AsyncSession, actor: Principal, category: RepairCategory, verb: str, data: dict[str, Any]
) -> None:
    category.changed_at = clock.now()
    await session.flush()
    subject = public_id(queries.CATEGORY, category.id)
    await audit_log.record(session, actor=actor.actor, action=f"repair_category.{verb}", subject=subject, data=data)


def category_views(categories: Sequence[RepairCategory]) -> list[CategoryView]:
    """In their wire form."""
    return [
        CategoryView.model_validate(
            {
                "id": public_id(queries.CATEGORY, row.id),
                "parent": public_id(queries.CATEGORY, row.parent_id) if row.parent_id else None,
                "code": row.code,
                "name_zh": row.name_zh,
                "name_en": row.name_en,
                "icon": row.icon,
                "skill": row.skill,
                "urgency": row.urgency,
                "dispatch": row.dispatch,
                "checklist": row.checklist,
                "problem_threshold": row.problem_threshold,
                "ordinal": row.ordinal,
                "is_retired": row.retired_at is not None,
            }
        )
        for row in categories
    ]
