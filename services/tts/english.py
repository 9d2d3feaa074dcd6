"""English numbers and abbreviations that a phonemizer reads badly, as people say them.

What espeak says well by itself is left to it: whole and decimal numbers, percentages, degrees, ordinals below a
hundred, times with minutes, dotted abbreviations ("U.S.", "p.m.").
"""

import re
from collections.abc import Callable

from num2words import num2words

Rewrite = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}
"""One and more of the unit, one and more of its hundredths."""
_MAGNITUDES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion"}
_MONEY = re.compile(
    r"(?P<sign>[$€£¥₹]) ?(?P<whole>\d{1,3}(?:,\d{3})+|\d{1,15})(?P<part>\.\d+)?"
    r"(?: ?(?P<magnitude>thousand|million|billion|trillion|k|m|bn|b)\b)?",
    re.IGNORECASE,
)
_TITLES = {
    "Dr": "Doctor",
    "Mr": "Mister",
    "Mrs": "Missis",
    "Ms": "Miz",
    "Prof": "Professor",
    "St": "Saint",
    "Jr": "Junior",
    "Sr": "Senior",
    "vs": "versus",
    "approx": "approximately",
    "Inc": "Inc",
    "Ltd": "Limited",
    "Capt": "Captain",
    "Lt": "Lieutenant",
    "Sgt": "Sergeant",
    "Gen": "General",
    "Sen": "Senator",
    "Rep": "Representative",
    "Rev": "Reverend",
    "Dept": "Department",
    "No": "Number",
}
"""Read as the end of a sentence by espeak, for their full stop."""
_UNITS = {
    "km": "kilometers",
    "cm": "centimeters",
    "mm": "millimeters",
    "kg": "kilograms",
    "mg": "milligrams",
    "km/h": "kilometers per hour",
    "kph": "kilometers per hour",
    "mph": "miles per hour",
    "m/s": "meters per second",
    "ms": "milliseconds",
    "GB": "gigabytes",
    "MB": "megabytes",
    "TB": "terabytes",
    "GHz": "gigahertz",
    "MHz": "megahertz",
    "kHz": "kilohertz",
    "Hz": "hertz",
    "kWh": "kilowatt hours",
    "°C": "degrees Celsius",
    "°F": "degrees Fahrenheit",
}
_FRACTIONS = {
    "1/2": "one half",
    "1/3": "one third",
    "2/3": "two thirds",
    "1/4": "one quarter",
    "3/4": "three quarters",
}
_FREE = r"(?<![\w.,/:$€£¥₹#-])"
"""Nothing before it makes it part of something longer."""
_ENDS = r"(?![\w/:-]|[.,]\d)"
"""Nothing behind it makes it part of something longer."""


def _money(found: re.Match[str]) -> str:
    one, many, hundredth, hundredths = _CURRENCIES[found["sign"]]
    whole, part, magnitude = found["whole"], found["part"] or "", found["magnitude"]
    if magnitude:
        magnitude = _MAGNITUDES.get(magnitude.lower(), magnitude)
        return f"{whole}{part} {magnitude} {many}"
    if len(part) != 3 or not hundredth:
        return f"{whole}{part} {one if whole + part == '1' else many}"
    cents = int(part[1:])
    units = f"{whole} {one if whole == '1' else many}"
    coins = f"{cents} {hundredth if cents == 1 else hundredths}"
    if not cents:
        return units
    return coins if not whole.strip("0,") else f"{units} and {coins}"


def _time(found: re.Match[str]) -> str:
    hour, minute = int(found["hour"]), int(found["minute"])
    half = f" {found['half'].lower()}.m." if found["half"] else ""
    if minute == 0 and half:
        return f"{hour}{half}"
    if minute == 0:
        return f"{hour} o'clock" if 1 <= hour <= 12 else f"{hour} hundred"
    return f"{hour} oh {minute}{half}" if minute < 10 else f"{hour} {minute}{half}"


def _decade(found: re.Match[str]) -> str:
    year = int(found["year"])
    said: str = num2words(year, to="year" if year >= 100 else "cardinal")
    return f"{said[:-1]}ies" if said.endswith("y") else f"{said}s"


def _year(found: re.Match[str]) -> str:
    return str(num2words(int(found[0]), to="year"))


def _ordinal(found: re.Match[str]) -> str:
    return str(num2words(int(found["number"]), to="ordinal"))


def _range(found: re.Match[str]) -> str:
    first, last = found["first"], found["last"]
    # Equally long on both sides is a range; "555-1234" is a number to call.
    lengths = (len(first), len(last))
    plausible = lengths in ((1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (4, 4))
    return f"{first} to {last}" if plausible and int(first) < int(last) else found[0]


REWRITES: tuple[Rewrite, ...] = (
    (_MONEY, _money),
    (re.compile(r"\be\.g\.(?!\w)"), lambda _: "for example"),
    (re.compile(r"\bi\.e\.(?!\w)"), lambda _: "that is"),
    (re.compile(r"\bNo\.(?= ?\d)"), lambda _: _TITLES["No"]),
    (
        re.compile(
            rf"\b({'|'.join(title for title in _TITLES if title != 'No')})\.(?!\w)"
        ),
        lambda found: _TITLES[found[1]],
    ),
    (
        re.compile(
            rf"{_FREE}(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?: ?(?P<half>[ap])\.?m\b\.?)?(?![\w:]|[.,]\d)",
            re.IGNORECASE,
        ),
        _time,
    ),
    (
        re.compile(rf"{_FREE}(?P<first>\d+)(?: ?– ?|-)(?P<last>\d+){_ENDS}"),
        _range,
    ),
    (
        re.compile(
            rf"(?<=\d) ?({'|'.join(sorted(_UNITS, key=len, reverse=True))})(?![\w/])"
        ),
        lambda found: f" {_UNITS[found[1]]}",
    ),
    (re.compile(r"(?<![\w.,])['’]?(?P<year>(?:1[1-9]|20)?\d0)['’]?s\b"), _decade),
    (re.compile(rf"{_FREE}(?:1[1-9]\d\d|20[1-9]\d){_ENDS}"), _year),
    (
        re.compile(r"(?<![\w.,])(?P<number>\d{3,9})(?:st|nd|rd|th)\b"),
        _ordinal,
    ),
    (
        re.compile(rf"{_FREE}(?:{'|'.join(_FRACTIONS)}){_ENDS}"),
        lambda found: _FRACTIONS[found[0]],
    ),
    (re.compile(rf"{_FREE}24/7{_ENDS}"), lambda _: "24 7"),
    (re.compile(r"(?<!\w)#(?=\d)"), lambda _: "number "),
    (re.compile(r"(?<!\w)[~≈] ?(?=\d)"), lambda _: "about "),
    (re.compile(r"\b([CF])#(?!\w)"), lambda found: f"{found[1]} sharp"),
    (re.compile(r" ?(?:->|→) ?"), lambda _: " to "),
)
"""What to say instead; applied in this order."""
