"""Check that the contract breaks nobody who has stubs of the last release, or of the last commit before the first one.

Run it as `make contract`. FILE level: what compiles and what travels stays as it was.
"""

import subprocess
import sys
from pathlib import Path

BUF = Path(sys.executable).parent / "buf"


def main() -> None:
    """Compare the contract with the newest tag that has one, and stop if it breaks somebody."""
    found = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match=v*"],
        capture_output=True,
        text=True,
        check=False,
    )
    reference = found.stdout.strip() or "HEAD"
    has_contract = subprocess.run(
        ["git", "cat-file", "-e", f"{reference}:buf.yaml"], capture_output=True, check=False
    )
    if has_contract.returncode:
        print(f"{reference} has no contract to compare with.")
        return
    against = f".git#{'tag' if found.stdout.strip() else 'ref'}={reference}"
    raise SystemExit(
        subprocess.run([BUF, "breaking", "--against", against], check=False).returncode
    )


if __name__ == "__main__":
    main()
