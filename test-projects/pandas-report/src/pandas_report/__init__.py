"""Sum up a CSV file: the mean of every numeric column, for each value of the first one."""

import argparse
from importlib.resources import files

import pandas as pd

__version__ = "1.0"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("csv", nargs="?", default=files(__package__) / "example.csv", help="default: an example")
    table = pd.read_csv(parser.parse_args().csv)
    print(table.groupby(table.columns[0]).mean(numeric_only=True).to_string())
