"""The networks that can be exported, as data: what each is for, what goes in and comes out, where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reid_edge.errors import UsageError
from reid_edge.pack.manifest import Preprocessing
from reid_edge.suggestions import did_you_mean
from reid_edge_export.catalogue.embedding import EMBEDDING, timm_network
from reid_edge_export.catalogue.entry import OPSET, Network, TensorSpec, WeightSource
from reid_edge_export.catalogue.keypoints import KEYPOINTS
from reid_edge_export.catalogue.matching import MATCHING
from reid_edge_export.catalogue.own import is_own, own_network
from reid_edge_export.catalogue.segmentation import SEGMENTATION

__all__ = ["CATALOGUE", "OPSET", "Network", "TensorSpec", "WeightSource", "is_own", "network_named", "network_with"]
__all__ += ["outputs_in_words", "resolve_parameters", "resolve_preprocessing", "resolve_shape"]

CATALOGUE: Mapping[str, Network] = {network.name: network for network in (*SEGMENTATION, *EMBEDDING, *KEYPOINTS, *MATCHING)}


def network_named(name: str) -> Network:
    """The network of that name; `timm:NAME` is any model of timm, which has to be installed for it.

    Raises:
        UsageError: there is none; the nearest names are offered.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    if name.startswith("timm:"):
        return timm_network(name)
    hint = did_you_mean(name, CATALOGUE, f"Known networks: {', '.join(CATALOGUE)}.")
    raise UsageError(f"There is no network named {name!r}.", hint)


def network_with(name: str, given: Mapping[str, Any]) -> tuple[Network, dict[str, Any]]:
    """A network and its resolved parameters: `network_named` and `resolve_parameters`, or one of the user's own, see `own.own_network`.

    Raises:
        UsageError: there is none of that name, or a parameter is not to be had.
    """
    if is_own(name):
        network = own_network(name, given)
        return network, dict(network.parameters)
    network = network_named(name)
    return network, resolve_parameters(network, given)


def resolve_parameters(network: Network, given: Mapping[str, Any]) -> dict[str, Any]:
    """The network's parameters with `given` in place of the defaults.

    Raises:
        UsageError: a parameter is unknown, of another type, not positive, or not one of the choices.
    """
    resolved = dict(network.parameters)
    for key, value in given.items():
        if key not in resolved:
            known = ", ".join(resolved) or "none"
            raise UsageError(f"{network.name} has no parameter {key!r}.", f"Its parameters: {known}.")
        choices = network.choices.get(key)
        if choices and value not in choices:
            raise UsageError(f"{network.name}: {key} is {value!r}.", f"Choose one of {', '.join(map(str, choices))}.")
        if not choices and (type(value) is not type(resolved[key]) or value <= 0):
            raise UsageError(f"{network.name}: {key} is {value!r}.", "Give a positive whole number.")
        resolved[key] = value
    return resolved


def outputs_in_words(network: Network) -> str:
    """The outputs with their shapes, such as ``embedding [batch, 1280]``."""
    return ", ".join(f"{spec.name} [{', '.join(str(size).removeprefix('@') for size in spec.shape)}]" for spec in network.outputs)


def resolve_shape(spec: TensorSpec, parameters: Mapping[str, Any]) -> tuple[int | str, ...]:
    """The shape of `spec` with every "@name" replaced by that parameter."""
    return tuple(parameters[size[1:]] if isinstance(size, str) and size.startswith("@") else size for size in spec.shape)


def resolve_preprocessing(network: Network, parameters: Mapping[str, Any]) -> Preprocessing | None:
    """The network's preprocessing at the size that its parameters ask for."""
    if network.preprocessing is None:
        return None
    return replace(network.preprocessing, width=parameters["size"], height=parameters["size"])
