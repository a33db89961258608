"""ambi among other people's packages: guests of other frameworks inside, hosts around, wrappers at its door."""
