"""The version of mrsim: its only home. The build, the files that mrsim writes and the command line read it here."""

__version__ = "0.1.0"
