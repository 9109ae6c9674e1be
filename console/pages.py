"""The front end's files; where they were not built, a page that says how to build them."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response

from console.errors import ApiError

STATIC = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"
NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Hazwatch</title></head><body>
<h1>The console's pages are not built yet / 控制台页面尚未构建</h1>
<p>The server runs. Build the pages once (Node.js 20 or newer) and load this page again:</p>
<p>服务器已运行。请构建一次页面（需要 Node.js 20 或更新版本），然后刷新：</p>
<pre>cd console/web
npm ci
npm run build</pre>
<p><a href="/openapi.json">/openapi.json</a></p>
</body></html>
"""


def router(static: Path | None = None) -> APIRouter:
    """Every path that is not the API's gets the one page: it routes for itself. Call it last."""
    api = APIRouter(include_in_schema=False)
    static = static or STATIC

    @api.get("/assets/{name}")
    async def asset(name: str) -> Response:
        file = static / "assets" / name
        if "/" in name or name.startswith(".") or not file.is_file():
            raise _missing()
        return FileResponse(file, headers={"cache-control": FOREVER})

    @api.get("/favicon.svg")
    async def icon() -> Response:
        file = static / "favicon.svg"
        if not file.is_file():
            raise _missing()
        return FileResponse(file, headers={"cache-control": "max-age=86400"})

    @api.get("/{path:path}")
    async def page(path: str) -> Response:
        if path.startswith(("api/", "assets/")):
            raise _missing()
        file = static / "index.html"
        if not file.is_file():
            return HTMLResponse(NOT_BUILT, 503)
        return FileResponse(file, headers={"cache-control": "no-cache"})

    return api


def _missing() -> ApiError:
    return ApiError(404, "not_found", "没有此页面", "there is nothing here")
