"""What pyglet does."""

import json

import pyglet


def say(*words):
    print(json.dumps(words), flush=True)


def window():
    shown = pyglet.window.Window(400, 300, "probe")
    label = pyglet.text.Label("Hello: áéíóú", font_name="DejaVu Sans", font_size=20, x=20, y=140)
    pyglet.gl.glClearColor(0.1, 0.3, 0.5, 1)

    @shown.event
    def on_draw():
        shown.clear()
        label.draw()

    pyglet.clock.schedule_once(lambda _: say("ready"), 0.7)
    pyglet.app.run()


def keys():
    shown = pyglet.window.Window(400, 300, "probe")
    typed = []

    @shown.event
    def on_text(text):
        typed.append(text)
        say("".join(typed))

    pyglet.clock.schedule_once(lambda _: say("ready"), 0.7)
    pyglet.app.run()


CHECKS = {"window": window, "keys": keys}
