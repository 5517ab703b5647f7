"""Rewards that fail, each in a way of its own."""

import os
import sys
import time
from pathlib import Path


class Raises:
    description = "Divides by zero."

    def values(self, answers):
        return [1 / 0 for _ in answers]


class Hangs:
    description = "Gives no answer."

    def values(self, answers):
        Path(os.environ["BROKEN_REWARDS_PID"]).write_text(str(os.getpid()))
        time.sleep(3600)


class NotANumber:
    description = "Gives NaN from the second answer on."

    def values(self, answers):
        return [1.0, *(float("nan") for _ in answers[1:])]


class Boundless:
    description = "Gives infinity."

    def values(self, answers):
        return [float("inf") for _ in answers]


class TooFew:
    description = "Forgets one."

    def values(self, answers):
        return [1.0 for _ in answers[1:]]


class TooMany:
    description = "Goes on and on."

    def values(self, answers):
        return [1.0] * 1_000_000


class Words:
    description = "Gives words."

    def values(self, answers):
        return ["good" for _ in answers]


class Exits:
    description = "Ends its process."

    def values(self, answers):
        os._exit(3)


class Chatty:
    description = "Works,\nand prints\x1b[31m."

    def values(self, answers):
        sys.stdout.write("this is no line of JSON\n")
        sys.stdout.flush()
        os.write(1, b"nor is this\n")
        return [answer.difference is not None and answer.difference / 4 for answer in answers]


class Nameless:
    def values(self, answers):
        return [1.0 for _ in answers]


class Valueless:
    description = "Has no values."
