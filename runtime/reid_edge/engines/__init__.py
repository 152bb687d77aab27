"""Engines run networks: one contract, one implementation per inference library, one place that chooses."""

from reid_edge.engines.contract import Engine, Provenance, TensorSpec
from reid_edge.engines.selection import Device, open_engine, select_device

__all__ = ["Device", "Engine", "Provenance", "TensorSpec", "open_engine", "select_device"]
