"""The one exception for faults a user can mend; the command line prints it as a single line and exits with code 2."""


class UserError(Exception):
    """Something in the user's input is wrong; the message is one line naming the file, the row and the mend."""
