"""Results to JSON: one object a command, sizes as integer bytes, `"schema": 1`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from modelctl.errors import ModelctlError, PartialFailure

if TYPE_CHECKING:
    from modelctl.doctor import Check
    from modelctl.features import Features
    from modelctl.library import Extraction, Failure
    from modelctl.verbs import Fetched, Ranked, ShelfStatus, Shown

SCHEMA = 1


def dumps(value: Mapping[str, Any]) -> str:
    """Return one JSON object, with its schema number first."""
    return json.dumps({"schema": SCHEMA, **value}, indent=2)


def of_status(shown: ShelfStatus) -> dict[str, Any]:
    """Return what `status --json` holds."""
    disks = [
        {
            "mount": str(disk.mount),
            "holds": list(disk.holds),
            "total": disk.total,
            "free": disk.free,
            "reserved": disk.reserved,
            "budget": shown.budget if "shelf" in disk.holds else None,
            "keep_free": shown.keep_free,
        }
        for disk in shown.disks
    ]
    return {"root": str(shown.root), "disks": disks, "models": [of_shown(one) for one in shown.models]}


def of_shown(one: Shown) -> dict[str, Any]:
    """Return one model of `status --json`."""
    return {
        "name": one.model.name,
        "title": one.model.title,
        "state": one.assessment.state.value,
        "ready": one.ready,
        "bytes_expected": one.assessment.bytes_expected,
        "bytes_on_disk": one.assessment.bytes_on_disk,
        "output_dim": one.model.output.dim,
        "environment": one.model.environment.name,
        "kept": False,
        "issues": list(one.issues),
    }


def of_catalogue(ranked: Sequence[Ranked]) -> dict[str, Any]:
    """Return what `list --json` holds."""
    models = []
    for one in ranked:
        licence = msgspec.to_builtins(one.model.licence)
        row = {"name": one.model.name, "title": one.model.title, "state": one.state.value, "licence": licence}
        row |= {"output_dim": one.model.output.dim, "training_data": one.model.about.training_data}
        row |= {"genre_coverage": one.model.about.genre_coverage}
        models.append(row | ({"task": msgspec.to_builtins(one.task)} if one.task else {}))
    return {"models": models}


def of_model(one: Shown) -> dict[str, Any]:
    """Return what `info --json` holds: the status, and the whole manifest."""
    return of_shown(one) | {"manifest": msgspec.to_builtins(one.model, enc_hook=dict)}


def of_fetched(fetched: Fetched) -> dict[str, Any]:
    """Return what `fetch --json` holds."""
    plan = {
        "downloads": [{"model": one.model.name, "path": one.path, "bytes": one.size} for one in fetched.plan.downloads],
        "renames": [{"model": one.model.name, "from": one.old, "to": one.file.path} for one in fetched.plan.renames],
        "peak": {str(fetched.mount): fetched.plan.peak},
    }
    return {
        "plan": plan,
        "dry_run": fetched.dry_run,
        "moved_bytes": fetched.moved_bytes,
        "seconds": round(fetched.seconds, 3),
        "proven": [{"path": path, "sha256": sha256} for path, sha256 in fetched.proven],
    }


def of_extraction(extraction: Extraction) -> dict[str, Any]:
    """Return what `extract --json` holds."""
    return {
        "done": extraction.done,
        "failed": failures(extraction.failed),
        "out": str(extraction.out),
        "audio_seconds": round(extraction.audio_seconds, 3),
        "seconds": round(extraction.seconds, 3),
        "warnings": extraction.warnings,
    }


def failures(failed: Sequence[Failure]) -> list[dict[str, str]]:
    """Return each recording that failed."""
    return [{"path": str(one.path), "model": one.model, "message": one.error.message} for one in failed]


def of_features(heard: Sequence[tuple[Path, Features]]) -> dict[str, Any]:
    """Return what `run --json` holds: shapes and pooled vectors, not every frame."""
    return {
        "recordings": [
            {
                "path": str(path),
                "shape": list(features.values.shape),
                "clip": [float(value) for value in features.clip],
                "names": list(features.names),
                "provenance": dict(features.provenance),
            }
            for path, features in heard
        ]
    }


def of_checks(checks: Sequence[Check]) -> dict[str, Any]:
    """Return what `doctor --json` holds."""
    return {
        "checks": [
            {"name": one.name, "health": one.health.value, "found": one.found, "mend": one.mend} for one in checks
        ]
    }


def of_error(error: ModelctlError) -> dict[str, Any]:
    """Return what any command prints with `--json` when it fails."""
    result = error.result if isinstance(error, PartialFailure) else {}
    return {**result, "error": {"kind": error.kind, "message": error.message, "hint": error.hint, **error.details}}
