"""`python -m fairlead` is the program `fairlead`."""

from fairlead.doors.cli.main import main

if __name__ == "__main__":
    main()
