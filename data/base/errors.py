"""The one exception that a user can cause."""

from math import inf


class EchobenchError(Exception):
    """Bad input: says what is wrong, where, what to do, and the known choices.

    Raised anywhere, caught once, in the command line, which prints the sentence and exits with code 1.
    """


def require(settings: object, **ranges: tuple[float, float]) -> None:
    """Raises EchobenchError for a setting that lies outside of its range, both ends of which are allowed.

    None is allowed. Of several values each must lie inside, and there must be one.
    """
    for name, (low, high) in ranges.items():
        value = getattr(settings, name)
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        if value == () or not all(low <= one <= high for one in values):
            limits = f"at least {low:g}" if high == inf else f"from {low:g} to {high:g}"
            raise EchobenchError(f"{name} is {value}; it must be {limits}")
