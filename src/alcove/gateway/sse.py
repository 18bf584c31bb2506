"""Server-sent events, read from bytes as they come (HTML standard, section 9.2.6, as far as model servers use it)."""

_BOM = b"\xef\xbb\xbf"


class EventTooLong(Exception):
    """An event is longer than it may be."""


class SseParser:
    """Takes bytes, gives the data of events.

    Lines end with LF, CR LF or CR; bytes may be cut anywhere, also inside a character or a line end. Comments and the fields
    `event`, `id` and `retry` are dropped: model servers say everything in `data`.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self._max = max_event_bytes
        self._buffer = b""
        self._scanned = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._is_after_cr = False
        self._is_first = True

    def feed(self, piece: bytes) -> list[bytes]:
        """Takes the next bytes; gives the data of every event that is complete now, its lines joined by LF.

        Raises:
            EventTooLong: When an event does not end.
        """
        if self._is_after_cr and piece:
            self._is_after_cr = False
            piece = piece.removeprefix(b"\n")
        buffer = self._buffer + piece if self._buffer else piece
        if self._is_first:
            if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
                self._buffer = buffer
                return []
            self._is_first = False
            buffer = buffer.removeprefix(_BOM)
        if b"\r" in piece:
            self._is_after_cr = buffer.endswith(b"\r")
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        events: list[bytes] = []
        start = 0
        scan = self._scanned
        while (end := buffer.find(b"\n", scan)) >= 0:
            line = buffer[start:end]
            start = scan = end + 1
            if line:
                self._line(line)
            elif self._data:
                events.append(self._take())
        self._buffer = buffer[start:]
        self._scanned = len(self._buffer)
        if len(self._buffer) + self._data_bytes > self._max:
            raise EventTooLong
        return events

    def end(self) -> list[bytes]:
        """Gives the event that the stream ended in the middle of, if its lines were whole."""
        if self._buffer:
            self._line(self._buffer)
            self._buffer = b""
        return [self._take()] if self._data else []

    def _line(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            data = line[6:] if line[5:6] == b" " else line[5:]
            self._data.append(data)
            self._data_bytes += len(line)

    def _take(self) -> bytes:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        self._data_bytes = 0
        return data
