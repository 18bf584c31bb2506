"""`alcove/reader`, the built-in model that answers by quoting."""

from alcove.gateway.adapters.reader.model import READER, Limits, Reader
from alcove.gateway.adapters.reader.scoring import Weights
from alcove.gateway.adapters.reader.selection import Choice

__all__ = ["READER", "Choice", "Limits", "Reader", "Weights"]
