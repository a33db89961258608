"""Fuzzing: bytes that a fuzzer makes, guided by which code they reach, go into each parser of client text.

    python -m tests.fuzz                                   # 30 seconds for each target
    python -m tests.fuzz --seconds 600 --target multipart  # longer, one of them
    python -m tests.fuzz --target cookies --input FILE     # once more with an input that was found

targets/        one module each: `check(data)` raises where something does not hold, `seeds()` gives inputs to begin with
properties.py   what all of them hold to: only documented refusals, the same at every split, work in proportion
finding.py      the inputs that were found once, which stand in tests/data/fuzz/ and are seeds from then on
child.py        one target under atheris; it needs CPython 3.11, 3.12 or 3.13 on Linux, where its wheels are for
test_targets.py every target over its seeds, without atheris: what runs with all other tests
"""
