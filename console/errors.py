"""What the API says when it refuses, in both languages."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse


class ApiError(Exception):
    """Becomes `{"error": code, "zh": ..., "en": ...}` under `status`."""

    def __init__(self, status: int, code: str, zh: str, en: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(en)
        self.status = status
        self.code = code
        self.zh = zh
        self.en = en
        self.headers = headers


def api_error_response(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    body = {"error": error.code, "zh": error.zh, "en": error.en}
    return JSONResponse(body, error.status, headers=error.headers)


def validation_response(_: Request, error: Exception) -> JSONResponse:
    """Names the fields, and never echoes what was sent: it may hold a password."""
    assert isinstance(error, RequestValidationError)
    places = ["/".join(str(part) for part in problem["loc"]) + ": " + problem["msg"] for problem in error.errors()]
    text = "; ".join(places)[:2000]
    return JSONResponse({"error": "invalid", "zh": f"请求无效：{text}", "en": f"invalid request: {text}"}, 422)


def not_logged_in() -> ApiError:
    return ApiError(401, "not_logged_in", "请先登录", "log in first")


def forbidden() -> ApiError:
    return ApiError(403, "forbidden", "您的角色无权执行此操作", "your role may not do this")


def wrong_origin() -> ApiError:
    return ApiError(403, "wrong_origin", "请求来源不受信任", "the request comes from another site")


def missing_csrf() -> ApiError:
    return ApiError(403, "missing_csrf", "缺少或错误的 X-CSRF 标头", "the X-CSRF header is missing or wrong")
