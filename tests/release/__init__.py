"""What is released: the changelog's form, and what is in the wheel and the sdist. `nox -s release_check` builds them."""
