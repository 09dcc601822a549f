"""Start a program under another identity and tie its life to ours, then get out of the way by `exec`.

Run as a script with nothing but the standard library, because it stands between a parent and each of its children:

    python -I -S become.py --death-signal 2 [--user-namespace ID | --user ID:GROUP] -- program argument...

It is a program of its own and not a `preexec_fn`, since Python code between fork and exec may deadlock in a parent with threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000


def enter_user_namespace(inside_id: int) -> None:
    """Become an ordinary user in our own eyes while staying who we are for the file system.

    PostgreSQL refuses to run as root. Mapping our id to another one inside a user namespace satisfies it, needs no
    system user, and lets the data lie under folders that only we may enter.
    """
    outside_user, outside_group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are refused here")
    _write("/proc/self/uid_map", f"{inside_id} {outside_user} 1")
    _write("/proc/self/setgroups", "deny")  # The kernel asks for this before an unprivileged group mapping.
    _write("/proc/self/gid_map", f"{inside_id} {outside_group} 1")


def become_user(user_and_group: str) -> None:
    user, group = (int(part) for part in user_and_group.split(":"))
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)


def die_with_parent(death_signal: int, parent_pid: int) -> None:
    if not sys.platform.startswith("linux"):
        return  # Elsewhere the supervisor's own orderly end has to do.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:  # The parent ended before the request was in place.
        os._exit(1)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def main(arguments: list[str]) -> None:
    split = arguments.index("--")
    options, program = arguments[:split], arguments[split + 1 :]
    values = dict(zip(options[::2], options[1::2], strict=True))
    if "--user-namespace" in values:
        enter_user_namespace(int(values["--user-namespace"]))
    if "--user" in values:
        become_user(values["--user"])
    # Last, because a change of identity clears the request.
    if "--death-signal" in values:
        die_with_parent(int(values["--death-signal"]), int(values["--parent"]))
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.exit(f"{program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
