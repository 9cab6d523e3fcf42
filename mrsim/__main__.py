"""Start mrsim: as the installed module (`python -m mrsim`), or straight from a checkout (`python3 mrsim`).

The second form runs this file as a script with whatever Python the machine has. It makes sure that the
checkout's own environment exists and hands over to it.
"""

import sys

OLDEST = (3, 11)


def main() -> None:
    """Run the command line, or prepare the environment that can."""
    if sys.version_info < OLDEST:
        needs, has = ".".join(map(str, OLDEST)), ".".join(map(str, sys.version_info[:3]))
        sys.exit("mrsim needs Python %s or newer; %s is Python %s" % (needs, sys.executable, has))  # noqa: UP031
    if __package__:
        try:
            from mrsim.cli import main as command_line
        except ImportError as problem:
            sys.stderr.write(f"mrsim: {problem}: its dependencies are not all installed for {sys.executable}\n")
            sys.exit(2)
        except KeyboardInterrupt:
            sys.stderr.write("mrsim: interrupted; nothing was written\n")
            sys.exit(130)
        command_line()
        return
    # Python put this folder on the path, where our modules would shadow others of the same name.
    from pathlib import Path

    checkout = Path(__file__).resolve().parents[1]
    sys.path[0] = str(checkout)
    from mrsim.bootstrap import start

    start(checkout, sys.argv[1:])


if __name__ == "__main__":
    main()
