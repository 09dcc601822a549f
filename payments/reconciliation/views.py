"""Wire forms of reconciliation."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Cover, person_summary
from kernel import clock
from kernel.ids import public_id
from kernel.settings import get_settings
from payments.banking.models import BankStatement
from payments.reconciliation import queries, schemas
from payments.reconciliation.found import LEVELS
from payments.reconciliation.models import Difference, HrList, ReconciliationRun
from payments.reconciliation.states import DIFFERENCE, TRIGGERS
from payments.states import allowed


def age_days(opened_at: datetime) -> int:
    """Whole days since then."""
    return max(0, (clock.now() - opened_at).days)


async def overview_view(session: AsyncSession, cover: Cover | None) -> schemas.ReconciliationOverview:
    """All seven levels, within what the caller may see."""
    live, runs = await queries.open_by_level(session, cover), await queries.last_runs(session)
    today = clock.business_date(clock.now(), get_settings().zone)
    return schemas.ReconciliationOverview(
        levels=[
            schemas.ReconciliationLevelView(
                level=level,
                open=live[level].open if level in live else 0,
                explained=live[level].explained if level in live else 0,
                open_fen=int(live[level].open_fen) if level in live else 0,
                oldest_opened_at=clock.rfc3339(live[level].oldest) if level in live else None,
                oldest_age_days=age_days(live[level].oldest) if level in live else None,
                last_run=run_view(runs[level]) if level in runs else None,
            )
            for level in LEVELS
        ],
        yesterday=today.fromordinal(today.toordinal() - 1),
    )


def run_view(run: ReconciliationRun) -> schemas.ReconciliationRunView:
    return schemas.ReconciliationRunView(
        id=public_id("rec", run.id),
        level=run.level,
        day=run.day,
        actor=run.actor,
        started_at=clock.rfc3339(run.started_at),
        finished_at=clock.rfc3339(run.finished_at),
        compared=run.compared,
        found=run.found,
        opened=run.opened,
        vanished=run.vanished,
        figures=run.figures,
    )


async def difference_views(
    session: AsyncSession, rows: Sequence[Difference]
) -> list[schemas.ReconciliationDifferenceView]:
    """With the names of those who own and closed them."""
    people = {person for row in rows for person in (row.owner_id, row.closed_by) if person is not None}
    names = {person_id: found.name for person_id, found in (await person_summary(session, list(people))).items()}
    return [_difference_view(row, names) for row in rows]


def _difference_view(row: Difference, names: dict[UUID, str]) -> schemas.ReconciliationDifferenceView:
    return schemas.ReconciliationDifferenceView(
        id=public_id("rdf", row.id),
        level=row.level,
        day=row.day,
        kind=row.kind,
        reference=row.reference,
        expected_fen=row.expected_fen,
        found_fen=row.found_fen,
        amount_fen=row.amount_fen,
        detail=row.detail,
        owner=schemas.DifferenceOwnerView(
            role=row.owner_role,
            region=_id_or_none("reg", row.region_id),
            site=_id_or_none("sit", row.site_id),
            unit=_id_or_none("org", row.unit_id),
            person=_id_or_none("per", row.owner_id),
            name=names.get(row.owner_id) if row.owner_id else None,
        ),
        state=row.state,
        allowed=[trigger for trigger in allowed(DIFFERENCE, row.state) if trigger in TRIGGERS],
        explanation=row.explanation,
        opened_at=clock.rfc3339(row.opened_at),
        age_days=age_days(row.opened_at),
        closed_by=_id_or_none("per", row.closed_by),
        closed_by_name=names.get(row.closed_by) if row.closed_by else None,
        closed_reason=row.closed_reason,
        closed_at=clock.rfc3339(row.closed_at) if row.closed_at else None,
    )


def statement_view(row: BankStatement) -> schemas.BankStatementView:
    return schemas.BankStatementView(
        id=public_id("bst", row.id),
        account=row.account,
        region=public_id("reg", row.region_id),
        reference=row.reference,
        form=row.form,
        first_day=row.first_day,
        last_day=row.last_day,
        opening_fen=row.opening_fen,
        closing_fen=row.closing_fen,
        line_count=row.line_count,
        taken_at=clock.rfc3339(row.taken_at),
    )


def hr_list_view(row: HrList) -> schemas.HrListView:
    return schemas.HrListView(
        id=public_id("hrl", row.id),
        unit=public_id("org", row.unit_id),
        month=f"{row.month:%Y-%m}",
        row_count=row.row_count,
        taken_at=clock.rfc3339(row.taken_at),
    )


def _id_or_none(prefix: str, identifier: UUID | None) -> str | None:
    return public_id(prefix, identifier) if identifier is not None else None
