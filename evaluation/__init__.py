"""Is the agent any good: answers asked for again, judged by what came of them, and told with their doubt."""
