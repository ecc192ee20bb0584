"""Results as JSON, and the JSON Schemas of the public documents.

`python -m optimizer.views.json [DIRECTORY]` writes the schemas, by default to docs/schemas.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from optimizer.model import plan, result
from optimizer.views import documents
from optimizer.views.errors import Failure

_DOCUMENTS: tuple[type[BaseModel], ...] = (
    plan.Plan,
    result.ApplyResult,
    result.RollbackResult,
    result.VerifyResult,
    result.ScoreResult,
    result.HistoryResult,
    result.DoctorResult,
    result.ErrorResult,
    documents.ProfileResult,
    documents.TunableResult,
)


def text(document: BaseModel) -> str:
    """Return a document as JSON text, in ASCII so that no locale can damage it."""
    return json.dumps(document.model_dump(mode="json", by_alias=True), indent=2) + "\n"


def error_document(failure: Failure) -> result.ErrorResult:
    """Return a failure as the document that is printed in place of a result."""
    return result.ErrorResult(
        error=result.ErrorBody(
            code=failure.code, message=failure.message, host=failure.host, hint=failure.hint
        )
    )


def schemas() -> dict[str, str]:
    """Return the JSON Schema of every public document by file name, `plan-1.json`."""
    return dict(_schema(document) for document in _DOCUMENTS)


def _schema(document: type[BaseModel]) -> tuple[str, str]:
    schema = document.model_json_schema(by_alias=True, mode="serialization")
    name = schema["properties"]["schema"]["const"]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": name}
    file_name = name.removeprefix("optimizer/").replace("/", "-") + ".json"
    return file_name, json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (directory / name).write_text(schema, encoding="utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schemas"))
