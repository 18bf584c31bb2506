"""A chat as a file: JSON with every branch, or Markdown of the branch on display."""

import json
import re
from collections.abc import Sequence

from alcove.chats.models import Chat, Message, MessageRecord
from alcove.chats.service import branch


def as_json(chat: Chat, messages: Sequence[MessageRecord]) -> str:
    """Gives the chat and the whole tree of its messages, indented."""
    data = {
        "format": "alcove.chat/1",
        "chat": chat.model_dump(mode="json"),
        "messages": [Message.of(each).model_dump(mode="json") for each in messages],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def as_markdown(chat: Chat, messages: Sequence[MessageRecord]) -> str:
    """Gives the branch on display, with the sources under each answer."""
    lines = [f"# {chat.title}", ""]
    for message in branch(messages, chat.current_message_id or ""):
        speaker = "You" if message.role == "user" else (message.model or "Answer")
        lines += [f"## {speaker}", "", message.content.strip(), ""]
        cited = {citation.number for citation in message.citations}
        sources = [source for source in message.sources if source.number in cited]
        for source in sources:
            page = f", page {source.page}" if source.page is not None else ""
            lines.append(f"- [{source.number}] {source.document}{page}: “{' '.join(source.text.split())}”")
        if sources:
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def file_name(title: str, suffix: str) -> str:
    """Gives a plain ASCII file name for a chat."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:60]
    return f"{stem or 'chat'}.{suffix}"
