"""The report on a terminal, through rich: the extra ``memopt[rich]``."""

from typing import TextIO

from rich.console import Console
from rich.text import Text

from memopt.advisor.report import Report, as_text

_STYLES = (
    (r"^memopt advise: .*", "bold"),
    (r"^\d+\. .*", "bold cyan"),
    (r"^   (saves|proven|where|made|swap|but) ", "dim"),
    (r"(?<=saves  )[\d.,]+ MB", "bold green"),
    (r"(?<=proven )[\d.,]+ MB", "bold green"),
    (r"(?<=   )- .*", "red"),
    (r"(?<=   )\+ .*", "green"),
    (r"^Python objects by type$", "bold"),
)


def coloured(report: Report) -> Text:
    """The plain text, word for word, with styles."""
    text = Text(as_text(report))
    for pattern, style in _STYLES:
        text.highlight_regex(f"(?m){pattern}", style)
    return text


def show(found: Report, stream: TextIO) -> None:
    """Print it; without colours where the stream is no terminal."""
    console = Console(file=stream, highlight=False, soft_wrap=True)
    console.print(coloured(found), end="")
