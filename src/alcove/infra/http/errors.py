"""What can go wrong between here and another server; technique only, callers say what it means."""


class HttpClientError(Exception):
    """An exchange with another server failed."""


class AddressNotAllowed(HttpClientError):
    """The address is not one that may be connected to."""


class ConnectFailed(HttpClientError):
    """No connection could be made: no such host, nobody listening, or no trust in its certificate."""


class PoolFull(HttpClientError):
    """Every connection to this server is in use, and none came free in time."""


class TimedOut(HttpClientError):
    """The server did not do something in time."""


class ConnectionLost(HttpClientError):
    """The connection broke before the response was complete."""


class ProtocolViolation(HttpClientError):
    """The server sent something that is not a proper HTTP/1.1 response."""


class ResponseTooLarge(HttpClientError):
    """The response is larger than it may be."""
