"""The same running stacks as the live tests have."""

from tests.live.conftest import container_stack, native_stack, stack

__all__ = ["container_stack", "native_stack", "stack"]
