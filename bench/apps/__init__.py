"""The alternatives in Python, as in their documentation or a typical tutorial.

Each verifies a signed token, like the gateway, and reads BENCH_FILES and BENCH_SECRET.
"""
