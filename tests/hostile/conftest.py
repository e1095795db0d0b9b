"""The same running stacks as the live tests have."""

from tests.live.conftest import container_stack, native_stack, stack, uncached_stack

__all__ = ["container_stack", "native_stack", "stack", "uncached_stack"]
