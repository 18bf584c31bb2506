"""Requests of OpenAI's protocol that go to a deployment as they are: images, audio, moderation, reranking."""
