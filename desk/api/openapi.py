"""The API as an OpenAPI 3.1 document, made from its endpoints and their structs.

``docs/openapi.json`` is what ``render`` gives; a test holds them equal.
"""

import inspect
import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from desk.api.commands import COMMANDS, command_schemas
from desk.api.endpoint import ROOT, Endpoint
from desk.api.problems import MEDIA_TYPE, Problem
from desk.api.reads import READS
from desk.commanding import NEEDS

VERSION = "1.0.0"
"""Version of the API: a minor step adds operations or fields; nothing is ever removed in v1."""

ENDPOINTS: tuple[Endpoint, ...] = (*READS, *COMMANDS)

_REF = "#/components/schemas/"
_PROBLEMS = {
    400: "A parameter or field is missing or wrong; `detail` names it.",
    401: "No token, an unknown one, or no session.",
    403: "The role does not allow it, or a session's request lacks `x-csrf-token`.",
    404: "Nothing is stored by this name, or it is not the viewer's to see.",
    413: "The body exceeds 1 MiB.",
    429: "Too many requests.",
    503: "ClickHouse or Kafka does not answer; try again.",
}
_WRITES_ONLY = frozenset({413})


def document(endpoints: Sequence[Endpoint] = ENDPOINTS) -> dict[str, Any]:
    """The OpenAPI document."""
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        paths.setdefault(ROOT + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tideline risk desk",
            "version": VERSION,
            "description": "The data and commands of the desk. Times are epoch milliseconds "
            "(UTC), money is integer minor units of the `currency` beside it, ratios are 0-1. "
            "Answers hold what the viewer may see: a viewer bound to funders sees merchants with "
            "a line that one of them funds. Answers may gain fields; let unknown ones pass.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "tideline_desk",
                    "description": "The desk's own session. What changes something needs the "
                    "session's token in `x-csrf-token` as well.",
                },
            },
            "schemas": _schemas(endpoints),
        },
    }


def render() -> str:
    """The document as text; the same bytes on every machine."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _schemas(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    answers = [endpoint.answer for endpoint in endpoints]
    _, found = msgspec.json.schema_components([*answers, Problem], ref_template=_REF + "{name}")
    clean: dict[str, Any] = _clean({**found, **command_schemas(_REF)})
    return dict(sorted(clean.items()))


def _clean(schema: Any) -> Any:
    """The schema with docstrings as Markdown."""
    if isinstance(schema, list):
        return [_clean(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: inspect.cleandoc(value).replace("``", "`")
        if key == "description" and isinstance(value, str)
        else _clean(value)
        for key, value in schema.items()
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    writes = endpoint.method != "GET"
    needs = f"Needs the permission `{endpoint.permission}`." if endpoint.permission else ""
    if writes:
        needs = "Permissions by type: " + ", ".join(f"{k} `{p}`" for k, p in NEEDS.items()) + "."
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "description": needs,
        "parameters": _parameters(endpoint),
    }
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": endpoint.body}},
        }
    responses: dict[str, Any] = {
        str(endpoint.status): {
            "description": inspect.cleandoc(endpoint.answer.__doc__ or "").split("\n")[0],
            "content": {"application/json": {"schema": {"$ref": _REF + endpoint.answer.__name__}}},
        }
    }
    if not writes:
        responses["304"] = {"description": "What `If-None-Match` names is still the answer."}
    for status, text in _PROBLEMS.items():
        if writes or status not in _WRITES_ONLY:
            responses[str(status)] = {
                "description": text,
                "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_REF}{Problem.__name__}"}}},
            }
    return {**operation, "responses": responses}


def _operation_id(endpoint: Endpoint) -> str:
    """``GET /merchants/{merchant_id}/events`` -> ``get_merchants_merchant_id_events``."""
    words = re.findall(r"[a-z_]+", endpoint.path)
    return "_".join([endpoint.method.lower(), *words])


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", endpoint.path)
    ]
    for name, schema in _properties(endpoint.query).items():
        text = schema.pop("description", None) or next(
            (each.pop("description") for each in schema.get("anyOf", []) if "description" in each),
            None,
        )
        found.append(
            {
                "name": name,
                "in": "query",
                "required": False,
                **({"description": text} if text else {}),
                "schema": schema,
            }
        )
    for name, required, text in endpoint.headers:
        found.append(
            {
                "name": name,
                "in": "header",
                "required": required,
                "description": text,
                "schema": {"type": "string"},
            }
        )
    return found


def _properties(query: type[Struct]) -> dict[str, Any]:
    """Schemas of query parameters; one that is left out is absent, never null."""
    _, found = msgspec.json.schema_components([query], ref_template=_REF + "{name}")
    properties: dict[str, Any] = _clean(found[query.__name__].get("properties", {}))
    for schema in properties.values():
        if "anyOf" in schema:
            kept = [each for each in schema["anyOf"] if each != {"type": "null"}]
            del schema["anyOf"]
            schema |= kept[0] if len(kept) == 1 else {"anyOf": kept}
        elif None in schema.get("enum", ()):
            schema["enum"].remove(None)
        if schema.get("default", ...) is None:
            del schema["default"]
    return properties
