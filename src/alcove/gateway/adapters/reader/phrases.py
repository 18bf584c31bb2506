"""Every word the reader says itself; all others are quoted."""

import re

GENERATIVE = (
    "pull a model (`alcove pull qwen2.5:0.5b`, or Models in the page), connect Ollama (found by itself on this machine) or any "
    "OpenAI-compatible server under Admin → Models"
)
NOTICE = f"_Quoted from the sources, as no generative model is installed. For written answers, {GENERATIVE}._"
"""Ends the first answer of a conversation."""

NOTICE_MARK = "no generative model is installed"
"""Tells by an earlier answer that the notice was given."""

NOTHING_TO_READ = (
    "There is nothing here for me to read, so I cannot answer this. I am Alcove's built-in reader: I find the sentences that "
    "answer a question in your documents and quote them. Add a document, or choose a collection for this chat, and ask again; "
    f"for free conversation, {GENERATIVE}."
)

SELF_DESCRIPTION = (
    "I am Alcove's built-in reader. I answer questions from your documents by quoting the sentences that answer them, each with "
    "a link to its place in the source. I do not write text of my own.\n\n"
    "What you can do here:\n"
    "- **Ask your documents**: drop a PDF, Word, HTML, Markdown or text file on this chat, or make a collection under Knowledge "
    "and choose it for the chat; then ask.\n"
    "- **Summarise**: with a document here, ask for a summary, and I quote its most central sentences.\n"
    "- **Look behind an answer**: its citations open the passage, and its trace shows what was searched and found.\n"
    f"- **Get written answers**: {GENERATIVE}."
)

UNSURE = "Nothing here answers this for certain. What comes closest:"

COURTESY = "You are welcome. Ask whenever you want something found in your documents."

NO_QUESTION = "Your message holds no question. Ask something about the documents at hand, or ask for a summary of them."

_SMALL_TALK = re.compile(
    r"\W*(?:"
    r"(?:hi|hello|hey|hallo|servus|moin|good (?:morning|afternoon|evening|day)|greetings|yo|bonjour|hola|ciao)(?: there| alcove| all)?"
    r"|help(?: me)?(?: please)?|please help|\?+|start|/start|/help|test|ping"
    r"|(?:so |and )?what (?:can|could|do|does) (?:you|i|this|one|alcove|it)(?: do)?(?: for me)?(?: do)?(?: here| with (?:this|you|it|alcove))?"
    r"|what are you(?: able to do)?(?: here)?|who are you|what(?:'s| is) (?:alcove|your name)|how (?:are you|do you do)"
    r"|how (?:do|does|can) (?:you|i|this|it) (?:work|use this|use you|start|get started|begin)(?: here)?"
    r"|introduce yourself|are you (?:an? )?(?:ai|llm|bot|human|chatgpt|gpt|robot)"
    r")\W*",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"\W*(?:(?:many )?thanks?(?: you)?(?: very much| so much| a lot)?|thx|danke|merci|bye|goodbye|ok(?:ay)?|great|perfect|cool|nice)\W*",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"\b(?:summar(?:y|ies|ize|ise|izing|ising)|tl;?dr|key points|main points|main ideas?|gist|overview of|in a nutshell|"
    r"zusammenfass\w*|fass\w* .{0,40}zusammen|r[ée]sum[ée]\w*|resumen|resume este)\b"
    r"|\A\W*what(?:'s| is) (?:this|it)\W*\Z"
    r"|\bwhat (?:is|are|does) (?:this|these|the|that)?\s*(?:document|documents|text|file|files|paper|article|pdf|page|report|book|it)s?"
    r" (?:about|say)\b|\bwhat(?:'s| is) (?:it|this|that) about\b",
    re.IGNORECASE,
)


def is_small_talk(question: str) -> bool:
    """Tells whether a message only greets, or asks what the reader is and can do."""
    return len(question) < 100 and _SMALL_TALK.fullmatch(question) is not None  # noqa: PLR2004  longer is no small talk


def is_courtesy(question: str) -> bool:
    """Tells whether a message only thanks or takes leave."""
    return len(question) < 100 and _COURTESY.fullmatch(question) is not None  # noqa: PLR2004  longer says more


def asks_for_summary(question: str) -> bool:
    """Tells whether a summary is wanted rather than an answer."""
    return _SUMMARY.search(question) is not None


def refusal(closest: str, *, with_hint: bool) -> str:
    """Says that the sources do not answer, names the one that comes closest, and what to do."""
    nearest = f" The closest source is {closest}." if closest else ""
    todo = "Try other words, or add a document that covers it."
    hint = f" For answers beyond your documents, {GENERATIVE}." if with_hint else ""
    return f"The documents at hand do not answer this.{nearest} {todo}{hint}"
