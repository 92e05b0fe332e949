"""Nobody gets in without Jupyter's authentication and authorization, by any endpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

from .conftest import Fetch, refused


def our_endpoints(serverapp: Any) -> Iterator[tuple[str, list[str]]]:
    """(path, methods) of every route of ours, found in the application itself."""
    for rule in serverapp.web_app.wildcard_router.rules + serverapp.web_app.default_router.rules:
        routes = rule.target.rules if hasattr(rule.target, "rules") else [rule]
        for route in routes:
            pattern = getattr(route.matcher, "regex", None)
            if pattern is None or "/indelible/" not in pattern.pattern:
                continue
            path = re.sub(r"\(\[0-9a-f\]\{32\}\)", "a" * 32, pattern.pattern).strip("^$")
            path = re.sub(r"\(\[0-9\]\{1,18\}\)", "1", path)
            methods = [name for name in ("get", "post", "put", "delete", "patch") if name in vars(route.target)]
            assert methods, f"{route.target} answers nothing"
            yield path, methods


def test_every_endpoint_is_known_to_this_test(jp_serverapp: Any) -> None:
    assert len(dict(our_endpoints(jp_serverapp))) == 10


async def test_no_endpoint_answers_without_authentication(
    jp_serverapp: Any, jp_fetch: Fetch, jp_ws_fetch: Fetch
) -> None:
    nobody = {"Authorization": ""}
    for path, methods in our_endpoints(jp_serverapp):
        parts = path.split("/")[2:] if path.startswith(jp_serverapp.base_url) else path.strip("/").split("/")
        for method in methods:
            body = "{}" if method == "post" else None
            if path.endswith("feed"):
                with pytest.raises(HTTPClientError) as error:
                    await jp_ws_fetch(*parts, headers=nobody)
                assert error.value.code == 403
            else:
                status, _ = await refused(jp_fetch(*parts, method=method.upper(), body=body, headers=nobody))
                assert status in (401, 403), (path, method)


class Nobody(Authorizer):
    """Refuses everything to everybody."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return False


async def test_no_endpoint_answers_without_authorization(
    jp_serverapp: Any, jp_fetch: Fetch, jp_ws_fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(jp_serverapp.web_app.settings, "authorizer", Nobody(parent=jp_serverapp))
    for path, methods in our_endpoints(jp_serverapp):
        parts = path.split("/")[2:] if path.startswith(jp_serverapp.base_url) else path.strip("/").split("/")
        for method in methods:
            if path.endswith("feed"):
                with pytest.raises(HTTPClientError) as error:
                    await jp_ws_fetch(*parts)
                assert error.value.code == 403
            else:
                body = "{}" if method == "post" else None
                status, _ = await refused(jp_fetch(*parts, method=method.upper(), body=body))
                assert status == 403, (path, method)


async def test_a_page_of_another_origin_gets_no_feed(jp_serverapp: Any, jp_ws_fetch: Fetch) -> None:
    # A token in the request would be proof enough that no stranger's page is behind it: here the browser's cookie is.
    jp_serverapp.identity_provider.token = ""
    with pytest.raises(HTTPClientError) as error:
        await jp_ws_fetch("indelible", "api", "feed", headers={"Origin": "https://elsewhere.example"})
    assert error.value.code == 403
