"""A reward for Tally: the shorter the answer, the better."""


class ShortAnswer:
    """Made once, in a process of its own, which is asked for the values of one batch at a time."""

    description = "1 for an answer of at most 5 words, 0.1 less for each further one; at least 0."

    def values(self, answers):
        """One number for each answer, which has text, true_count, count and difference.

        The last two are None where the text holds no count.
        """
        return [self._value(len(answer.text.split())) for answer in answers]

    def _value(self, words):
        return max(0.0, min(1.0, 1.5 - 0.1 * words))
