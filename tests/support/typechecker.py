"""The run-time type checker of the tests: an int is a float, as for the static one (PEP 484)."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
