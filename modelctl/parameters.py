"""What a user asks of a family, checked against what its manifest offers. Decisions only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelctl.errors import UsageError, did_you_mean
from modelctl.model import Model, Parameter


def settle(model: Model, layer: str | int | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every parameter of the model's family, the defaults where none is given; UsageError for a wrong one."""
    settled: dict[str, Any] = {key: parameter.default for key, parameter in model.parameters.items()}
    for key, value in given.items():
        if key not in model.parameters:
            known = ", ".join(model.parameters) or "none"
            raise UsageError(
                f"{model.name} has no parameter {key!r}{did_you_mean(key, model.parameters)}", hint=f"known: {known}"
            )
        settled[key] = _value(model, key, model.parameters[key], value)
    if model.output.layers is not None:
        settled["layer"] = _layer(model, layer)
    elif layer is not None:
        raise UsageError(f"{model.name} has no layers", hint="leave out --layer")
    return settled


def _value(model: Model, key: str, parameter: Parameter, value: Any) -> Any:
    kind = type(parameter.default)
    try:
        value = kind(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{model.name}: {key}={value!r} is not {kind.__name__}", hint=parameter.about) from error
    if parameter.choices and value not in parameter.choices:
        choices = [str(choice) for choice in parameter.choices]
        raise UsageError(
            f"{model.name}: {key}={value!r} is not known{did_you_mean(str(value), choices)}",
            hint=f"known: {', '.join(choices)}",
        )
    return value


def _layer(model: Model, layer: str | int | None) -> str | int | None:
    layers = model.output.layers
    if layer is None:
        return model.output.default_layer
    if isinstance(layers, Mapping):
        if layer not in layers:
            raise UsageError(
                f"{model.name} has no layer {layer!r}{did_you_mean(str(layer), layers)}",
                hint=f"known: {', '.join(layers)}",
            )
        return layer
    if not (str(layer).isascii() and str(layer).isdecimal()) or int(layer) >= (layers or 0):
        raise UsageError(
            f"{model.name} has no layer {layer!r}", hint=f"layers are numbered from 0 to {(layers or 0) - 1}"
        )
    return int(layer)
