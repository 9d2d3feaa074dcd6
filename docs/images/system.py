"""Draws the picture of the system in the README, once for light pages and once for dark ones.

    python docs/images/system.py

writes ``system.svg`` and ``system-dark.svg`` beside itself. GitHub shows the one that fits, by the README's ``picture``.
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
WIDTH, HEIGHT = 960, 440
FONT = "-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one picture; all text stands out from its ground by 4.5 to 1 or more.

    Attributes:
        card: ground of a process.
        line: its border, and the arrows.
        text: names.
        soft: what is said about them.
        stages: by name, the colour of a process's share of a turn.
    """

    card: str
    line: str
    text: str
    soft: str
    stages: dict[str, str]


PALETTES = {
    "system.svg": Palette(
        card="#ffffff",
        line="#8c959f",
        text="#1f2328",
        soft="#59636e",
        stages={
            "gateway": "#6e7781",
            "stt": "#0969da",
            "llm": "#8250df",
            "tts": "#1a7f37",
        },
    ),
    "system-dark.svg": Palette(
        card="#161b22",
        line="#6e7681",
        text="#e6edf3",
        soft="#9198a1",
        stages={
            "gateway": "#8b949e",
            "stt": "#4493f8",
            "llm": "#ab7df8",
            "tts": "#3fb950",
        },
    ),
}


class Picture:
    """Collects the elements of one drawing; lengths are in its own units, from the upper left."""

    def __init__(self, palette: Palette) -> None:
        self._palette = palette
        self._parts: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: int = 13,
        *,
        strong: bool = False,
        anchor: str = "start",
    ) -> None:
        """One line; ``y`` is its baseline."""
        colour = self._palette.text if strong else self._palette.soft
        weight = 600 if strong else 400
        self._parts.append(
            f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}"'
            f' text-anchor="{anchor}">{escape(words)}</text>'
        )

    def card(
        self, x: float, y: float, width: float, height: float, stage: str = ""
    ) -> None:
        """A process, or a client; one of a stage has its colour at the left."""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8"'
            f' fill="{self._palette.card}" stroke="{self._palette.line}"/>'
        )
        if stage:
            self._bar(x + 10, y + 12, 4, height - 24, stage)

    def replicas(
        self, x: float, y: float, width: float, height: float, stage: str
    ) -> None:
        """A process that there may be several of."""
        self.card(x + 12, y - 12, width, height)
        self.card(x + 6, y - 6, width, height)
        self.card(x, y, width, height, stage)

    def arrow(self, *points: tuple[float, float], both: bool = False) -> None:
        """A line through points, with a head at its end or at both."""
        path = "M" + " L".join(f"{x} {y}" for x, y in points)
        start = ' marker-start="url(#head)"' if both else ""
        self._parts.append(
            f'<path d="{path}" fill="none" stroke="{self._palette.line}" stroke-width="1.5"'
            f' marker-end="url(#head)"{start}/>'
        )

    def share(self, x: float, y: float, width: float, stage: str) -> None:
        """Where a part of a turn's time went."""
        self._bar(x, y, width, 12, stage)

    def _bar(self, x: float, y: float, width: float, height: float, stage: str) -> None:
        colour = self._palette.stages[stage]
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="2" fill="{colour}"/>'
        )

    def svg(self, title: str) -> str:
        """The whole drawing."""
        head = (
            '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
            f' orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" fill="{self._palette.line}"/></marker>'
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 20 {WIDTH} {HEIGHT}"',
                f' width="{WIDTH}" height="{HEIGHT}" role="img" font-family="{FONT}">',
                f"<title>{escape(title)}</title>",
                f"<defs>{head}</defs>",
                *self._parts,
                "</svg>\n",
            ]
        )


def draw(palette: Palette) -> str:
    """The system: clients, gateway, stages, and the turn that all of them make."""
    picture = Picture(palette)
    clients(picture)
    gateway(picture)
    stages(picture)
    turn(picture)
    return picture.svg("Clients talk to the gateway, the gateway to stt, llm and tts")


def clients(picture: Picture) -> None:
    """Who comes in, and how."""
    for y, name, about in (
        (40, "any language", "gRPC: Converse"),
        (130, "OpenAI clients", "Realtime: WebSocket, WebRTC"),
        (220, "browser", "the page at port 8080"),
    ):
        picture.card(10, y, 218, 60)
        picture.text(26, y + 26, name, 15, strong=True)
        picture.text(26, y + 46, about)
        picture.arrow((230, y + 30), (298, y + 30), both=True)


def gateway(picture: Picture) -> None:
    """What listens and takes turns."""
    picture.card(300, 40, 178, 240, "gateway")
    picture.text(328, 70, "gateway", 17, strong=True)
    for line, words in enumerate(
        (
            "hears when you speak,",
            "predicts when you are",
            "done, answers ahead,",
            "stops when you speak",
            "into the answer, and",
            "remembers what was",
            "heard of it",
        )
    ):
        picture.text(328, 100 + 22 * line, words)


def stages(picture: Picture) -> None:
    """The three services behind it, each as often as it is needed, and what runs in them."""
    for y, stage, call, engines in (
        (40, "stt", "Transcribe", ("Whisper on a CPU", "Parakeet TDT on a GPU")),
        (130, "llm", "Generate", ("any OpenAI-compatible server:", "Gemma 4 on Cerebras, or your own")),
        (220, "tts", "Synthesize", ("Piper on a CPU", "Qwen3-TTS on a GPU")),
    ):  # fmt: skip
        picture.text(553, y + 22, call, anchor="middle")
        picture.arrow((480, y + 30), (626, y + 30), both=True)
        picture.replicas(630, y, 300, 60, stage)
        picture.text(658, y + 36, stage, 17, strong=True)
        picture.text(706, y + 26, engines[0])
        picture.text(706, y + 46, engines[1])


def turn(picture: Picture) -> None:
    """One turn's time: that of the README's waterfall, in which the stages' 292 ms ended with the silence of 578."""
    picture.text(10, 392, "every turn is one trace,", 15, strong=True)
    picture.text(10, 414, "its shares add up,")
    picture.text(10, 432, "and each has a budget")
    left = 300
    picture.text(left, 324, "you stop speaking")
    picture.text(left + 578, 324, "first sound of the answer", anchor="end")
    for y, start, length, stage, share in (
        (338, 0, 578, "gateway", "silence"),
        (362, 286, 22, "stt", "stt"),
        (386, 308, 231, "llm", "llm"),
        (410, 539, 39, "tts", "tts"),
    ):
        picture.share(left + start, y, length, stage)
        picture.text(left + start - 8, y + 11, f"{share}  {length} ms", anchor="end")
    picture.text(left, 450, "the answer is made while the silence is still waited for")


if __name__ == "__main__":
    for name, palette in PALETTES.items():
        (HERE / name).write_text(draw(palette))
