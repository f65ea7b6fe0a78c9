import argparse
import time
import tkinter
from tkinter import ttk


def main():
    parser = argparse.ArgumentParser(description="Show the time in a window.")
    parser.add_argument("--once", action="store_true", help="say what Tk is shown with, and close")
    arguments = parser.parse_args()

    window = tkinter.Tk(className="tk-clock")
    window.title("Clock")
    face = ttk.Label(window, font=("TkDefaultFont", 40))
    face.pack(padx=20, pady=20)

    def tick():
        face["text"] = time.strftime("%H:%M:%S")
        window.after(200, tick)

    tick()
    if arguments.once:
        window.update()
        print(window.tk.call("info", "patchlevel"), window.tk.call("info", "library"), face.winfo_ismapped())
        return
    window.mainloop()
