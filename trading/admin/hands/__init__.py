"""What a person does from a page, and the links that lead there: a cycle asked for, a trade proposed, and so on."""
