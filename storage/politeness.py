"""What people say around a question: "could you please", "I am looking for"."""

from storage.reading import Reading

_SAID = (
    *("i am looking for", "i'm looking for", "i’m looking for", "looking for", "look for"),
    *("i'd like to see", "i’d like to see", "i would like to see", "i want to see", "i'd like"),
    *("i would like", "i want", "i need", "let me see", "could you", "can you", "would you"),
    *("do you know", "do we know", "i wonder", "give me", "show me", "tell me"),
)


def read_politeness(reading: Reading) -> None:
    """Such words mean nothing: "looking for a cup" is not looking at it."""
    for phrase in sorted(_SAID, key=lambda said: -len(said)):
        words = phrase.split()
        for i in range(len(reading.words) - len(words) + 1):
            places = range(i, i + len(words))
            if reading.words[i : i + len(words)] == words and reading.free.issuperset(places):
                reading.free -= set(places)
