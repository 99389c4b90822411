"""`python -m graphreel` is the command `graphreel`."""

from graphreel.cli import main

if __name__ == "__main__":
    main()
