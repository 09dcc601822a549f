"""What a person at the terminal can do something about.

Problem                  told in its own sentence, without a traceback; the command ends with status 1
    EmbeddedServerError  an embedded PostgreSQL or Valkey cannot be started
    FrontendBuildError   the front end cannot be built
    CannotListen         the address cannot be had
    ChildFailed          a child process never became ready
    StartFailed          the start cannot go on
    MigrationFailed      the database cannot be brought to this version
    SeedingRefused       the demo may not be brought in here
    NotConfigured        a process started by hand lacks an address it needs
    NotForProduction     production mode with something from the demo in it
    LanRefused           phones of the local network cannot be let in
    BackupFailed         no backup could be made
    BundleFailed         the archive for a machine without a network cannot be made
    ExportRefused        what was asked for cannot be taken out
    TillProblem          a till of the command line cannot go on
    LunchRefused         a lunch cannot be simulated as it was asked for, or not here
    RestoreRefused       a backup is not, or cannot be, brought in; nothing has changed
"""


class Problem(Exception):
    """The message is for the person at the terminal: what is wrong, and what to do."""


class EmbeddedServerError(Problem):
    """An embedded server cannot be started."""


class FrontendBuildError(Problem):
    """The front end cannot be built."""


class CannotListen(Problem):
    """The address cannot be had."""


class ChildFailed(Problem):
    """A child process has never become ready."""


class StartFailed(Problem):
    """The start cannot go on."""


class MigrationFailed(Problem):
    """The database cannot be brought to this version."""


class SeedingRefused(Problem):
    """The demo may not be brought in here."""


class NotConfigured(Problem):
    """A process was started by hand without the addresses it needs."""


class NotForProduction(Problem):
    """Production mode with something from the demo in it."""


class LanRefused(Problem):
    """Phones of the local network cannot be let in."""


class BackupFailed(Problem):
    """No backup could be made."""


class BundleFailed(Problem):
    """The archive for a machine without a network cannot be made."""


class ExportRefused(Problem):
    """What was asked for cannot be taken out."""


class TillProblem(Problem):
    """A till of the command line cannot go on."""


class LunchRefused(Problem):
    """A lunch cannot be simulated as it was asked for, or not here."""


class RestoreRefused(Problem):
    """A backup is not, or cannot be, brought in; nothing has changed."""
