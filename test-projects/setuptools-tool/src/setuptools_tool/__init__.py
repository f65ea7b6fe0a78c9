import sys

from colorama import Fore

__version__ = "2.1"


def main() -> None:
    if "--version" in sys.argv:
        print(f"setuptools-tool {__version__}")
    else:
        print(f"{Fore.GREEN}Hello!{Fore.RESET}")
