"""HTTP in and out of identity: one file per topic, each route parse, call, return."""

from fastapi import APIRouter

from identity.routes import approvals, files, getting_in, imports, people, place_tree, places, sessions, terminals

router = APIRouter()
for part in (sessions, getting_in, places, place_tree, people, terminals, approvals, imports, files):
    router.include_router(part.router)
