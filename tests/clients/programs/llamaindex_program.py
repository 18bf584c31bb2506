"""LlamaIndex's OpenAI-like model and embedding, as they are."""

import sys

from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

base_url, api_key = sys.argv[1:]
llm = OpenAILike(model="fake/echo", api_base=f"{base_url}/v1", api_key=api_key, is_chat_model=True, max_retries=0)
assert llm.chat([ChatMessage(role="user", content="good day")]).message.content == "good day "
assert (
    "".join(piece.delta or "" for piece in llm.stream_chat([ChatMessage(role="user", content="one two")])) == "one two "
)
assert llm.complete("good day").text.strip() == "good day"
embedding = OpenAILikeEmbedding(model_name="alcove/minilm", api_base=f"{base_url}/v1", api_key=api_key)
assert len(embedding.get_text_embedding("cat")) == 384
print("ok")
