"""What pygame does."""

import json
import os

import pygame


def say(*words):
    print(json.dumps(words), flush=True)


def show():
    pygame.display.init()
    pygame.font.init()
    pygame.display.set_caption("probe")
    screen = pygame.display.set_mode((400, 300))
    screen.fill((20, 60, 120))
    pygame.draw.circle(screen, (240, 200, 40), (200, 150), 80)
    screen.blit(pygame.font.Font(None, 40).render("Hello: áéíóú", True, (255, 255, 255)), (20, 20))
    pygame.display.flip()
    return screen


def run(on_event):
    pygame.time.set_timer(pygame.USEREVENT, 500, loops=1)
    while True:
        event = pygame.event.wait()
        if event.type == pygame.QUIT:
            return
        if event.type == pygame.USEREVENT:
            say("ready")
        on_event(event)


def window():
    show()
    run(lambda event: pygame.display.flip())


def keys():
    show()
    typed = []

    def take(event):
        if event.type == pygame.TEXTINPUT:
            typed.append(event.text)
            say("".join(typed))

    pygame.key.start_text_input()
    run(take)


def sound():
    pygame.mixer.init(44100, -16, 2)
    say(pygame.mixer.Sound(os.environ["PROBE_SOUND"]).get_length())
    pygame.mixer.music.load(os.environ["PROBE_SOUND"])


CHECKS = {"window": window, "keys": keys, "sound": sound}
