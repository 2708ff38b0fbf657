"""Times with seconds, in an order that sorts as it reads; all of them are UTC."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = r"Y-m-d H:i:s \U\T\C"  # times.js writes it in the reader's zone
TIME_FORMAT = "H:i:s"
