"""The exceptions for faults a user can mend; the command line prints them as a single line and exits with code 2."""


class UserError(Exception):
    """Something in the user's input is wrong; the message is one line naming the file, the row and the mend."""


class BadInput(UserError):
    """One file, row or annotation that cannot be used, while the others may be fine.

    where: the file, or the table and its row; what: what is wrong with it; mend: what to do about it.
    """

    def __init__(self, where: object, what: str, mend: str) -> None:
        super().__init__(where, what, mend)  # all three, so that it can be sent between processes
        self.where, self.what, self.mend = str(where), what, mend

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"
