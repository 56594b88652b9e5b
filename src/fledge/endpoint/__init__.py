"""Ask a model that somebody serves: any address that speaks OpenAI's chat API (vLLM, Ollama, llama.cpp, a company's).

`client.py` asks one question, with time limits and retries; `many.py` asks thousands, several at once, at a pace that the
server allows, and remembers every answer on disk, so that what was paid for is not asked twice; `judge.py` makes a judge of such
a model. Nothing is sent anywhere unless the user gave an address. Standard library only.
"""

from fledge.endpoint.client import Endpoint, Failure, Reply
from fledge.endpoint.many import ask_all

__all__ = ["Endpoint", "Failure", "Reply", "ask_all"]
