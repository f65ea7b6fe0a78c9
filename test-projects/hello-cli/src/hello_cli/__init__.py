"""Greet someone."""

import argparse

__version__ = "1.0"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("name", nargs="?", default="world")
    print(f"Hello, {parser.parse_args().name}!")
