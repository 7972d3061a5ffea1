"""The checker of types and shapes that the test run puts around every function of the library."""

from beartype import BeartypeConf, beartype

# an int passes where a float is asked for, as everywhere in Python
typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))
