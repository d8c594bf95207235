"""The steps by name."""

from collections.abc import Callable
from importlib import import_module

STEPS = ("fetch", "guard", "build", "push")


def step(name: str) -> Callable[[], None]:
    """Return a step; only what it needs is loaded, for four of them start in every build."""
    found: Callable[[], None] = getattr(import_module(f"image_builder.{name}"), name)
    return found
