"""Collections of documents: read, cut into chunks, found by meaning and by words, and answered from with citations."""
