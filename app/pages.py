"""Serves the built front end: one page for all screens, and its hashed files for ever.

In compose the proxy asks us too; it compresses and caches what we mark.
"""

import mimetypes
import os
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

# Not every machine's table of types knows it, and a phone installs nothing else.
mimetypes.add_type("application/manifest+json", ".webmanifest")

DIST: Final = Path(__file__).resolve().parent.parent / "frontend" / "dist"

# Addresses of machines: whoever asks for one that does not exist gets an error and not a page.
MACHINE_PREFIXES: Final = ("/v1/", "/metrics", "/healthz", "/readyz", "/openapi.json")

PAGE_HEADERS: Final = {
    # The page names the files of one build; a stale page would ask for files that are gone.
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
}


class Pages(StaticFiles):
    """Files of the build by their name; the page itself for every other address, since the screens route themselves."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, the page, or 404."""
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or path.startswith("assets/") or "." in Path(path).name:
                raise
            return FileResponse(DIST / "index.html", headers=PAGE_HEADERS)
        if path.startswith("assets/"):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        else:
            response.headers.update(PAGE_HEADERS)
        return response

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Never a hidden file."""
        if any(part.startswith(".") for part in Path(path).parts if part != "."):
            return "", None
        return super().lookup_path(path)


class PagesMount(Mount):
    """Leaves the machines' addresses to the router, which tells what is not there (404) from a wrong method (405)."""

    _is_built = False

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Pages are for browsers, and there are none before they are built: that may end after this process has begun."""
        self._is_built = self._is_built or (DIST / "index.html").exists()
        if scope["type"] != "http" or not self._is_built or scope["path"].startswith(MACHINE_PREFIXES):
            return Match.NONE, {}
        return super().matches(scope)


def install(app: FastAPI) -> None:
    """Answer at every address that is not taken yet. Without a build there are no pages, and the interface works alone."""
    app.router.routes.append(PagesMount("/", app=Pages(directory=DIST, html=True, check_dir=False), name="pages"))
