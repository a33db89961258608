"""Mutants: parts of the framework with one small fault each, and the tests that have to see it.

    python -m tests.mutants                    all modules of the catalogue, half an hour of one core
    python -m tests.mutants core/cookies.py    one of them; `--list` says what would be tried, and tries nothing

catalogue.py    which modules, and which tests concern each
mutating.py     the faults: a comparison that is off by one, a condition turned round, a check that is gone
running.py      one process for each mutant, which runs the tests that come by the changed line, and stops at the first
                that fails
survivors.md    the mutants that live, and why each may

It is a runner of our own because mutmut changes function bodies alone: the limits, the sets of allowed characters and the
defaults of arguments, which are most of what is promised here, stand outside of them. It also wraps every function in
one of its own, which tests of signatures, of the number of calls and of what an import loads see as a fault.

It ends with an error for a mutant that lives and is not in survivors.md, for one that is there and does not live, and for
a module of which a tenth or more survives.
"""
