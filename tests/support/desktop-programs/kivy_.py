"""What Kivy does."""

import json

from kivy.config import Config

Config.set("graphics", "width", "400")
Config.set("graphics", "height", "300")

from kivy.app import App
from kivy.clock import Clock
from kivy.core.clipboard import Clipboard
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.button import Button
from kivy.uix.label import Label
from kivy.uix.textinput import TextInput


def say(*words):
    print(json.dumps(words), flush=True)


class Window(App):
    title = "probe"

    def build(self):
        layout = BoxLayout(orientation="vertical")
        layout.add_widget(Label(text="Hello: áéíóú"))
        layout.add_widget(Button(text="A button"))
        Clock.schedule_once(lambda _: say("ready"), 1)
        return layout


class Keys(App):
    title = "probe"

    def build(self):
        edit = TextInput()
        edit.bind(text=lambda _, text: say(text))
        Clock.schedule_once(lambda _: setattr(edit, "focus", True), 0.5)
        Clock.schedule_once(lambda _: say("ready"), 1)
        return edit


class Board(App):
    title = "probe"
    own = "from the program: é"

    def build(self):
        Clipboard.copy(self.own)
        Clock.schedule_once(lambda _: say("ready"), 1)
        Clock.schedule_interval(self.look, 0.3)
        return Label(text="clipboard")

    def look(self, _):
        found = Clipboard.paste()
        if found != self.own:
            say(found)
            return False


CHECKS = {"window": lambda: Window().run(), "keys": lambda: Keys().run(), "clipboard": lambda: Board().run()}
