"""`alcove/reader`, the built-in model that answers by quoting."""

from alcove.gateway.adapters.reader.model import READER, Limits, Reader

__all__ = ["READER", "Limits", "Reader"]
