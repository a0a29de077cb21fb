"""The one exception that a user can cause."""


class EchobenchError(Exception):
    """Bad input: says what is wrong, where, what to do, and the known choices.

    Raised anywhere, caught once, in the command line, which prints the sentence and exits with code 1.
    """
