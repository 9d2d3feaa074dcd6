"""What of a model's context there is left for a conversation, by what its client asked for."""

from gateway.conversation import tokens
from gateway.conversation.context import Context
from gateway.conversation.history import beginning
from gateway.options import Options
from services.runtime.errors import InvalidArgument


class Room:
    """The context of one conversation, as its options have it.

    Args:
        options: that the conversation begins with.

    Attributes:
        context: that the conversation's prompts are made to fit into.

    Raises:
        InvalidArgument: the model has no room for anything but the instructions and the tools.
    """

    def __init__(self, options: Options) -> None:
        _check(options)
        self.context = Context(*_sizes(options))

    def follow(self, options: Options) -> None:
        """From now on, these are the options.

        Raises:
            InvalidArgument: as for those at the beginning; nothing has changed.
        """
        _check(options)
        self.context.resize(*_sizes(options))


def _sizes(options: Options) -> tuple[int, int, int]:
    """Tokens of the context, of a reply, and of the tools."""
    tools = sum(
        tokens.of_tool(tool.name, tool.description, tool.parameters_json)
        for tool in options.tools
    )
    return options.context, options.sampling.max_tokens, tools


def _check(options: Options) -> None:
    if not Context(*_sizes(options)).fits(beginning(options.instructions)):
        raise InvalidArgument(
            "config.instructions",
            f"with the tools, they and the reply take the model's whole context of {options.context} tokens",
            "shorter instructions, fewer tools, a smaller sampling.max_tokens, or a model that reads more",
        )
