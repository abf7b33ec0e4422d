"""Says what holds and what does not, one line each; `scripts/deploy-checks` counts the lines."""

import sys
import traceback

failures = 0


def check(name):
    """Runs the function at once; what it raises is the reason for the failure."""

    def run(function):
        global failures
        try:
            function()
        except Exception as error:  # noqa: BLE001 - every failure is reported, none stops the others
            failures += 1
            print(f"FAILED  {name}")
            reason = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
            for line in (reason or "no reason is given").splitlines():
                print(f"        {line}")
        else:
            print(f"ok      {name}")
        sys.stdout.flush()
        return function

    return run


def finish():
    """Ends the program with what became of the checks."""
    sys.exit(1 if failures else 0)
