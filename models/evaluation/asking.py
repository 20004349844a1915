"""All questions of the ask benchmark, in their shares."""

from datetime import datetime

from models.evaluation import ask_questions as kinds
from models.evaluation import ask_words as words
from models.evaluation.ask_questions import SHARES, Asked, Drafts, Maker, is_unseen
from models.evaluation.ask_relations import Relations
from models.evaluation.diary import Diary


def make_questions(
    diary: Diary, number: int, *, now: datetime, open_verbs: frozenset[str], seed: int = 1
) -> list[Asked]:
    """About `number`, less where the diary has too little of a kind; the same for the same seed."""
    maker = Maker(diary, now=now, open_verbs=open_verbs, seed=seed)
    drafts, taken, made = _drafts(maker), set[str](), list[Asked]()
    for kind, share in SHARES.items():
        wanted = round(number * share / sum(SHARES.values()))
        made += maker.some(kind, drafts[kind], wanted, taken)
    return made


def _drafts(maker: Maker) -> dict[str, Drafts]:
    relations = Relations(maker)
    known = [one for one in maker.configured if not is_unseen(one)]
    unseen = [one for one in maker.configured if is_unseen(one)]

    def nothing() -> kinds.Draft | None:
        """Impossible ones, some of them with an order in time that never was."""
        return relations.order() if maker.rng.random() < 0.15 else maker.impossible()

    return {
        kinds.PLAIN: lambda: maker.plain(known) if known else None,
        kinds.PARAPHRASE: lambda: maker.paraphrase() if known else None,
        kinds.PAIRS: lambda: maker.plain(unseen) if unseen else None,
        kinds.OPEN: lambda: maker.plain(maker.open) if maker.open else None,
        kinds.ATTRIBUTES: maker.attributes,
        kinds.PLACE: maker.placed,
        kinds.ORDER: relations.order,
        kinds.CUSTODY: relations.custody,
        kinds.COUNTS: maker.counted,
        kinds.YES_NO: lambda: maker.rng.choice((maker.placed, maker.elsewhere))(words.YES_NO),
        kinds.NO_ANSWER: nothing,
    }
