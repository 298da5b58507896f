"""The entry point of `lbclient`."""

from __future__ import annotations

import gc
import sys

from .. import streams

TYPE_CHECKING = False  # instead of typing's, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
BROKEN_PIPE = 141
COMPLETE = "__complete"  # the command that completion scripts call


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    streams.open_missing()
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Most commands end before garbage collection pays off; without it they take a tenth less time.
    gc.disable()
    try:
        if arguments[:1] == [COMPLETE]:
            from .completion import answer

            return answer.main(arguments[1:])
        from .program import Shell

        status = Shell(arguments).run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        streams.discard(sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:  # from the flush only: commands report their own errors
        streams.discard(sys.stdout.fileno())
        print(f"The output cannot be written: {error.strerror}.", file=sys.stderr)
        return 1
    finally:
        gc.enable()
    return status


if __name__ == "__main__":
    sys.exit(main())
