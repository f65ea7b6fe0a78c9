"""What Tk does."""

import json
import tkinter
import tkinter.filedialog


def say(*words):
    print(json.dumps(words), flush=True)


def show(*classes, **options):
    root = tkinter.Tk()
    root.title("probe")
    root.geometry("400x300+0+0")
    widgets = [kind(root, **options) for kind in classes]
    for widget in widgets:
        widget.pack()
    root.after(500, lambda: say("ready"))
    return root, *widgets


def window():
    root, *_ = show(tkinter.Label, tkinter.Button, tkinter.Checkbutton, text="Hello: áéíóú ßøå €")
    root.mainloop()


def keys():
    root, entry = show(tkinter.Entry)
    entry.bind("<KeyRelease>", lambda _: say(entry.get()))
    entry.focus_force()
    root.mainloop()


def clipboard():
    root, _ = show(tkinter.Label, text="clipboard")
    own = "from the program: é"
    root.clipboard_clear()
    root.clipboard_append(own)

    def look():
        try:
            found = root.clipboard_get()
        except tkinter.TclError:  # its owner has changed just now
            found = own
        if found == own:
            root.after(200, look)
        else:
            say(found)

    look()
    root.mainloop()


def dialogue():
    root, _ = show(tkinter.Label, text="below")
    root.after(1500, lambda: say("ready"))
    tkinter.filedialog.askopenfilename(title="Choose a file")


CHECKS = {"window": window, "keys": keys, "clipboard": clipboard, "dialogue": dialogue}
