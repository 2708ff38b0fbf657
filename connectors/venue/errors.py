"""What can be wrong with a request to the venue, or with what it was started with."""


class VenueInputError(Exception):
    """The venue was started with something it cannot run on; the text is one sentence with the remedy."""


class ApiError(Exception):
    """A request is refused the way Alpaca refuses it.

    Args:
        status: HTTP status.
        code: Alpaca's eight-digit error code.
        message: Alpaca's words, as recorded from a paper account where known.
        details: further members of the body.
    """

    def __init__(self, status: int, code: int, message: str, **details: object) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, **details}


def bad_parameter(message: str, **details: object) -> ApiError:
    """Return the refusal of a request that makes no sense as asked (422/42210000)."""
    return ApiError(422, 42210000, message, **details)


def bad_shape(message: str) -> ApiError:
    """Return the refusal of an order of a class whose parts do not fit together (422/40010001)."""
    return ApiError(422, 40010001, message)


def forbidden(message: str, **details: object) -> ApiError:
    """Return the refusal of an order the account may not place (403/40310000)."""
    return ApiError(403, 40310000, message, **details)


def not_found(message: str) -> ApiError:
    """Return the answer for something that does not exist (404/40410000)."""
    return ApiError(404, 40410000, message)
