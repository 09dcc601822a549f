"""HTTP in and out of identity: one file per topic, each route parse, call, return."""

from fastapi import APIRouter

from identity.routes import approvals, getting_in, imports, people, places, sessions, terminals

router = APIRouter()
for part in (sessions, getting_in, places, people, terminals, approvals, imports):
    router.include_router(part.router)
