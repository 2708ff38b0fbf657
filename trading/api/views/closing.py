"""A person ends a position, or says where its stop sells."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.errors import ConnectorError
from trading.api.idempotency import idempotent
from trading.api.problems import Problem, invalid
from trading.api.serializers import PlainDecimalField, StrictSerializer
from trading.api.views.base import ApiView
from trading.api.views.orders import OrderSerializer, PositionSerializer
from trading.domain.performance.exit_reasons import ExitReason
from trading.errors import TradingError
from trading.exits.closing import CloseDeniedError, NotHeldError, as_listed, close_position
from trading.exits.moving import StopDeniedError, StopPriceError, move_stop

CLOSE = "trading.close_position"


class CloseSerializer(StrictSerializer):
    """How much of a position to sell."""

    quantity = PlainDecimalField(
        required=False, allow_null=True, default=None, help_text="Base units; null: all that is held."
    )


class CloseView(ApiView):
    """Close one position."""

    permissions = {"POST": CLOSE}

    @extend_schema(summary="Close a position", request=CloseSerializer, responses={201: OrderSerializer})
    @idempotent
    def post(self, request: Request, symbol: str) -> Response:
        """Sell what is held of a symbol at the market, all of it or a part; stops and targets give way first.

        Answers with the order as it stands; its fill is booked as that of any other.
        """
        asked = self.read_body(CloseSerializer, request)
        name = as_listed(symbol)
        try:
            order = close_position(
                name,
                quantity=asked["quantity"],
                reason=ExitReason.OPERATOR,
                actor=request.user.get_username(),
            )
        except NotHeldError as error:
            if asked["quantity"] is not None and str(error).startswith("quantity"):
                raise invalid("quantity", str(error)) from error
            raise Problem(404, str(error), kind="not-held") from error
        except CloseDeniedError as error:
            raise Problem(409, str(error), kind="denied", more={"reason": error.reason}) from error
        except TradingError as error:
            raise Problem(409, str(error), kind="under-way") from error
        except ConnectorError as error:
            raise Problem(503, f"The broker does not say what is held: {error}") from error
        return Response(OrderSerializer(order).data, status=201)


class StopSerializer(StrictSerializer):
    """Where a position's stop is to sell."""

    price = PlainDecimalField(help_text="USD per base unit, below the price now.")


class StopView(ApiView):
    """Move one position's stop."""

    permissions = {"POST": CLOSE}

    @extend_schema(
        summary="Move a position's stop", request=StopSerializer, responses={200: PositionSerializer}
    )
    @idempotent
    def post(self, request: Request, symbol: str) -> Response:
        """Have what is held of a symbol sold at another price; down no further than the account's limits allow.

        Answers with the position; the orders at the broker follow within a second or two.
        """
        asked = self.read_body(StopSerializer, request)
        name = as_listed(symbol)
        try:
            position = move_stop(name, stop_price=asked["price"], actor=request.user.get_username())
        except NotHeldError as error:
            raise Problem(404, str(error), kind="not-held") from error
        except StopPriceError as error:
            raise invalid("price", str(error)) from error
        except StopDeniedError as error:
            raise Problem(409, str(error), kind="denied", more={"reason": error.reason}) from error
        except ConnectorError as error:
            raise Problem(503, f"The broker does not say what it is worth: {error}") from error
        return Response(PositionSerializer(position).data)
