"""What Dear PyGui does."""

import json
import time

import dearpygui.dearpygui as gui


def window():
    gui.create_context()
    gui.create_viewport(title="probe", width=400, height=300, x_pos=0, y_pos=0)
    with gui.window(label="A window", width=300, height=200, pos=(10, 10)):
        gui.add_text("Hello")
        gui.add_button(label="A button")
    gui.setup_dearpygui()
    gui.show_viewport()
    start, told = time.monotonic(), False
    while gui.is_dearpygui_running():
        gui.render_dearpygui_frame()
        if not told and time.monotonic() > start + 1:
            print(json.dumps(["ready"]), flush=True)
            told = True


CHECKS = {"window": window}
