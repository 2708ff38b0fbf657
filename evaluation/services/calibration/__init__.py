"""Is what was stated true, and is it worth anything: reports of outcomes, and what is published of them."""
