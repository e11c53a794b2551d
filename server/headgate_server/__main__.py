"""`python -m headgate_server` is `headgate`."""

from headgate_server.cli import main

if __name__ == "__main__":
    main()
