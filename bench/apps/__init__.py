"""What people write instead, as its documentation or the usual tutorial has it.

Each verifies a signed token, as the gateway does, and reads BENCH_FILES and
BENCH_SECRET.
"""
