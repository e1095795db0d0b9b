"""Benchmarks: the gateway and alternatives on the same machine in the same run."""
