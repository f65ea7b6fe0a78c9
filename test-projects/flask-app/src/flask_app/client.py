"""Fetch the greeting and print it."""

import argparse

import requests

from flask_app import __version__


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000/")
    arguments = parser.parse_args()
    answer = requests.get(arguments.url, timeout=10)
    answer.raise_for_status()
    print(answer.json()["message"])
