"""A recording that is uploaded as a form, with what else the form says (RFC 7578)."""

from io import BytesIO
from typing import Annotated, Any, Literal

from aiohttp import BodyPartReader, web
from pydantic import ConfigDict, Field

from antiphon.v1 import stt_pb2
from gateway.fronts.openai.body import Body, check
from services.runtime.errors import InvalidArgument, TooMuch

LARGEST_FILE = 25 * 1024 * 1024
"""Bytes, as at OpenAI."""

_LARGEST_FIELD = _CHUNK = 64 * 1024
_MOST_FIELDS = 128

MOST_HINTS, LONGEST_HINT = 64, 100
"""Phrases, and characters of one; from the contract."""

_LISTS = ("timestamp_granularities", "include", "keywords", "languages")


class TranscriptionForm(Body):
    """How to transcribe, as ``POST /v1/audio/transcriptions`` takes it; texts, as forms have nothing else."""

    model_config = ConfigDict(strict=False)

    model: str = ""
    language: str = ""
    languages: Annotated[list[str], Field(max_length=1)] = Field(default_factory=list)
    prompt: str = ""
    keywords: list[str] = Field(default_factory=list)
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    timestamp_granularities: list[Literal["word", "segment"]] = Field(
        default_factory=list
    )
    stream: bool = False
    # What happens anyhow: recognizers take the likeliest word, and recordings are divided at silences.
    temperature: Annotated[float, Field(ge=0, le=0)] = 0.0
    chunking_strategy: Literal["auto"] = "auto"

    def hints(
        self, can: stt_pb2.SpeechToTextDescribeResponse | None
    ) -> tuple[str, ...]:
        """Phrases that are likely to be said: the keywords, and the prompt's parts between commas and ends of lines.

        Raises:
            InvalidArgument: there are too many, or one is too long, or the recognizer takes none.
        """
        lines = self.prompt.replace(";", "\n").replace(",", "\n").splitlines()
        named = [("keywords", text) for text in self.keywords]
        named += [("prompt", text) for text in lines]
        hints = [(field, text.strip()) for field, text in named if text.strip()]
        for field, text in hints:
            if can is not None and not can.hint_phrases:
                raise InvalidArgument(
                    field, "the recognizer takes no hints", "leave it out"
                )
            if len(text) > LONGEST_HINT:
                raise InvalidArgument(
                    field,
                    f"a phrase has {len(text)} characters",
                    f"phrases of at most {LONGEST_HINT}, with commas between them",
                )
        if len(hints) > MOST_HINTS:
            raise InvalidArgument(
                hints[-1][0],
                f"there are {len(hints)} phrases",
                f"at most {MOST_HINTS}",
            )
        return tuple(text for _, text in hints)


async def read_upload(request: web.Request) -> tuple[BytesIO, TranscriptionForm]:
    """The file and the form around it.

    Raises:
        InvalidArgument: it is no such form, or a field is not allowed to be what it is.
        TooMuch: the file is larger than `LARGEST_FILE`, or the rest is no form of a person's.
    """
    if request.content_type != "multipart/form-data":
        raise InvalidArgument(
            "", f"the body is {request.content_type}", "multipart/form-data"
        )
    try:
        return await _read(request)
    except ValueError as error:
        raise InvalidArgument("", f"the form cannot be read: {error}") from None


async def _read(request: web.Request) -> tuple[BytesIO, TranscriptionForm]:
    file: BytesIO | None = None
    fields: dict[str, Any] = {}
    count = 0
    async for part in await request.multipart():
        count += 1
        if count > _MOST_FIELDS:
            raise TooMuch(f"the form has more than {_MOST_FIELDS} fields")
        if not isinstance(part, BodyPartReader) or not part.name:
            raise InvalidArgument("", "the form holds what is no field")
        if part.name == "file":
            if file is not None:
                raise InvalidArgument("file", "is there twice", "one file")
            file = BytesIO(await _content("file", part, LARGEST_FILE))
            continue
        content = await _content(part.name, part, _LARGEST_FIELD)
        name = part.name.removesuffix("[]")
        if name in _LISTS:
            fields.setdefault(name, []).append(content.decode())
        elif name in fields:
            raise InvalidArgument(name, "is there twice", "once")
        else:
            fields[name] = content.decode()
    form = check(TranscriptionForm, {k: v for k, v in fields.items() if v != ""})
    if file is None:
        raise InvalidArgument("file", "is required")
    if not file.getbuffer().nbytes:
        raise InvalidArgument("file", "is empty")
    return file, form


async def _content(name: str, part: BodyPartReader, most: int) -> bytearray:
    content = bytearray()
    while chunk := await part.read_chunk(_CHUNK):
        content += chunk
        if len(content) > most:
            raise TooMuch(f"{name} is larger than {most:,} bytes")
    return content
