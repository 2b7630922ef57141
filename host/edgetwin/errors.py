"""The error that every command turns into one line and exit code 2."""


class UserError(Exception):
    """Something that the user can mend; the message is one line that says what is wrong and how to mend it."""
