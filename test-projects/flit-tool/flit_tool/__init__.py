"""A command of a project that flit builds."""

import sys

from colorama import Fore

__version__ = "2.3"


def main() -> None:
    if "--version" in sys.argv:
        print(f"flit-tool {__version__}")
    else:
        print(f"{Fore.GREEN}Hello!{Fore.RESET}")
