"""`python -m pipelines.cli`: the command line without its script."""

from pipelines.cli.app import main

if __name__ == "__main__":
    main()
