import sys

from colorama import Fore

__version__ = "2.2"


def main() -> None:
    if "--version" in sys.argv:
        print(f"poetry-tool {__version__}")
    else:
        print(f"{Fore.GREEN}Hello!{Fore.RESET}")
