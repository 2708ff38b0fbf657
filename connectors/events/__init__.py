"""Events on their way: a durable topic exchange on Redis or RabbitMQ, by the address alone."""

from connectors.events.bus import EXCHANGE, EventBus, is_redis, reach
from connectors.events.queues import Delivery, EventQueue, open_queue

__all__ = ["EXCHANGE", "Delivery", "EventBus", "EventQueue", "is_redis", "open_queue", "reach"]
