"""What the model writes, as it comes: where it ends, and what of it is worth showing."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import replace
from statistics import fmean

from midfill.completion import fim, postprocess, soundness
from midfill.completion.result import Suggestion
from midfill.completion.trigger import Block, Line, Rejection
from midfill.document import Document
from midfill.engine.base import Chunk
from midfill.syntax import error_count, tolerated_errors
from midfill.text import indentation, is_blank

# Lines that do not lead onto the text behind the cursor by then never will.
_LEADING = 8
# How many bytes behind the cursor a suggestion is compared with.
_FOLLOWING = 1500
# What begins with more blank lines, or with more tokens of white space, than these has nothing to say.
_BLANK_LINES, _BLANKS = 3, 8
# A block that is only a line which opens another may take so many times as long.
_PATIENCE = 1.3
# An alternative must be so much as likely as the first suggestion.
_WORTHY = 0.4


class Answer:
    """What the model has written so far, alternative by alternative, and where each ends.

    `most_ms`: after so many milliseconds of writing a block, the lines that are complete must do, if they can.
    `line_tokens`: what is no block has at most so many on its first line.
    """

    def __init__(
        self, document: Document, cursor: int, want: Line | Block, most_ms: float | None, line_tokens: int
    ) -> None:
        self.raw: defaultdict[int, str] = defaultdict(str)
        self.ended: dict[int, int] = {}
        self._document, self._cursor, self._want, self._most_ms = document.seen_at(cursor), cursor, want, most_ms
        self._line_tokens = line_tokens
        text = document.text
        self._after = fim.readable(text.data[cursor : text.boundary(min(cursor + _FOLLOWING, len(text)))])
        self._cut_short: set[int] = set()
        self._said_all: set[int] = set()
        # Of each piece of text where it begins and the logarithm of its probability.
        self._pieces: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
        self._began: float | None = None
        self._cleaned: dict[int, Suggestion | Rejection] = {}

    def add(self, chunk: Chunk) -> None:
        if chunk.finish == "deadline":
            for index in {chunk.index, *self.raw} - set(self.ended):
                self.ended[index] = len(self.raw[index])
                self._cut_short.add(index)
            return
        index = chunk.index
        if self._began is None:
            self._began = time.perf_counter()
            # What will be needed at the end is found out while the model writes.
            soundness.errors_with(self._document, self._cursor)
        if index in self.ended:
            return
        if chunk.text:
            self._pieces[index].append((len(self.raw[index]), chunk.logprob))
        # Lines end as the file's do, whatever the model has learnt.
        self.raw[index] += chunk.text.replace("\r", "")
        raw = self.raw[index]
        end: int | None = None
        if not raw.strip() and (raw.count("\n") > _BLANK_LINES or len(self._pieces[index]) > _BLANKS):
            end = 0
        elif "\n" in raw and (line := self._as_line(raw)):
            end = self._line_end(raw, line, chunk)
        elif "\n" not in raw and len(self._pieces[index]) >= self._line_tokens and self._as_line(raw):
            end = len(raw)
        elif "\n" in raw and isinstance(self._want, Block):
            # A line that the model ends with is whole, too.
            whole = raw + "\n" if chunk.finish == "end" else raw
            if "\n" in chunk.text or whole is not raw:
                end = postprocess.block_end(
                    whole, self._want, self._after, soundness.goes_on(self._document, self._cursor)
                )
            if end is None and self._most_ms is not None:
                end = self._in_time(raw, self._most_ms)
        if end is None and chunk.finish:
            end = len(raw)
            if chunk.finish == "length":
                self._cut_short.add(index)
        if chunk.finish == "end" and end == len(raw):
            self._said_all.add(index)
        if end is not None:
            self.ended[index] = end

    def _as_line(self, raw: str) -> Line | None:
        """The line that is wanted: between closers that an editor adds what is begun with says which it is."""
        want = self._want
        if isinstance(want, Line):
            return want
        if not want.tail or is_blank(raw.split("\n", 1)[0]):
            return None
        return Line(want.tail, further=self._most_ms is None)

    def _line_end(self, raw: str, line: Line, chunk: Chunk) -> int | None:
        """Where a line ends, or, where it makes no sense, the lines that lead onto the text behind the cursor."""
        ends = [at for at, character in enumerate(raw) if character == "\n"]
        fresh = ends[len(ends) - chunk.text.count("\n") :]
        first, tail = ends[0], line.tail
        if not line.further:
            return first
        if first in fresh and self._fitting(postprocess.joined(raw[:first], tail), tail):
            return first
        for end in fresh:
            if end != first and self._leading(raw[:end], tail, False):
                return end
        if chunk.finish == "end" and self._leading(raw, tail, True):
            return len(raw)
        return first if chunk.finish or len(ends) > _LEADING else None

    def _leading(self, text: str, tail: str, said_all: bool) -> Suggestion | None:
        """Several lines that lead onto the text behind the cursor, or with which the model has said all."""
        tail = tail.rstrip()
        text = text.rstrip() if text.rstrip().endswith(tail) else text
        if text.endswith(tail):
            text = text.removesuffix(tail)
        elif not said_all:
            return None
        errors = soundness.errors_with(self._document, self._cursor)
        sound = "\n" in text and errors(text) <= tolerated_errors(self._document, self._cursor)
        return Suggestion(text) if sound and text.strip() else None

    def _in_time(self, raw: str, most_ms: float) -> int | None:
        """Where a block ends that has taken so long already: better the beginning of it in time than all too late.

        Lines that could not be shown without the next one are worth waiting for a little more.
        """
        assert self._began is not None
        elapsed = (time.perf_counter() - self._began) * 1000
        lines = raw[: raw.rindex("\n")]
        if elapsed <= most_ms or not lines.strip():
            return None
        if elapsed <= most_ms * _PATIENCE and not self._sound(lines):
            return None
        return len(lines)

    def _sound(self, text: str) -> bool:
        errors = soundness.errors_with(self._document, self._cursor)
        return errors(text.rstrip()) <= tolerated_errors(self._document, self._cursor)

    @property
    def complete(self) -> bool:
        """Whether nothing more is needed. The alternatives begin before the first one goes on."""
        return 0 in self.ended and len(self.ended) == len(self.raw)

    def suggestions(self) -> list[Suggestion]:
        """The distinct ones worth showing: first what the model wrote by itself, then the likelier ones.

        What is much less likely than the first is not worth it.
        """
        found: dict[str, Suggestion] = {}
        for index in sorted(self.ended, key=lambda index: (index > 0, -self._sureness(index)[0])):
            suggestion = self._clean(index)
            if isinstance(suggestion, Suggestion):
                confidence, weakest = self._sureness(index, len(suggestion.text))
                sure = replace(suggestion, confidence=confidence, weakest=weakest)
                found.setdefault(suggestion.text.strip(), sure)
        first, *others = found.values() or (None,)
        if first is None:
            return []
        likely = [other for other in others if other.confidence >= _WORTHY * first.confidence]
        return [first, *sorted(likely, key=lambda suggestion: -suggestion.confidence)]

    def rejection(self) -> Rejection:
        """Why nothing of what the model wrote by itself is worth showing."""
        found = self._clean(0)
        return "empty" if isinstance(found, Suggestion) else found

    def _clean(self, index: int) -> Suggestion | Rejection:
        """What is left of an alternative that has ended, or why nothing is."""
        if index not in self._cleaned:
            self._cleaned[index] = self._cleaned_up(index)
        return self._cleaned[index]

    def _cleaned_up(self, index: int) -> Suggestion | Rejection:
        if not self.raw[index][: self.ended[index]].strip():
            return "repeatsSuffix" if postprocess.leads_onto(self.raw[index], self._after) else "empty"
        document = self._document
        line = document.text.line_of(self._cursor)
        before = document.text.slice(document.text.line_start(line), self._cursor)
        if as_line := self._as_line(self.raw[index]):
            clean = self._line(index, as_line, before)
        elif isinstance(self._want, Block) and self._want.tail:
            clean = self._between(index, self._want)
        else:
            clean = self._block(index, before)
        if isinstance(clean, Suggestion):
            return replace(clean, text=clean.text.replace("\n", document.text.newline))
        return clean

    def _fitting(self, whole: str, tail: str) -> Suggestion | None:
        """The first fit of a line to the text behind the cursor that adds no syntax error."""
        document, cursor = self._document, self._cursor
        before = document.text.slice(document.text.line_start(document.text.line_of(cursor)), cursor)
        most = tolerated_errors(document, cursor)
        fits = list(postprocess.fits(whole, tail, before))
        for text, replaces in fits if fits[0][0].strip() else ():
            if not text.strip():
                continue
            errors = soundness.errors_with(document, cursor, replaces)
            closers = "" if tail.strip() or is_blank(before) else postprocess.closers(before + text)
            if errors(text) <= most or (closers and errors(text + closers) <= most):
                return Suggestion(text, replaces)
        return None

    def _line(self, index: int, want: Line, before: str) -> Suggestion | Rejection:
        """The first fit that adds no syntax error, else the longest beginning of one that adds none.

        What ends its line may leave brackets open: the next lines close them.
        """
        document, cursor = self._document, self._cursor
        text = self.raw[index][: self.ended[index]]
        if "\n" in text and (lines := self._leading(text, want.tail, index in self._said_all)):
            return lines
        whole = postprocess.joined(text, want.tail)
        fits = list(postprocess.fits(whole, want.tail, before))
        if not postprocess.without_following_lines(whole, before, self._after).strip():
            return "repeatsSuffix"
        if fitting := self._fitting(whole, want.tail):
            return fitting
        most = tolerated_errors(document, cursor)
        errors = soundness.errors_with(document, cursor)
        # What only seems to repeat the text behind the cursor mends what is broken without it.
        if want.tail.strip() and error_count(document) > most >= errors(whole):
            return Suggestion(whole)
        if not fits[0][0].strip():
            return "repeatsSuffix"
        sound = next((cut for cut in postprocess.beginnings(fits[0][0], want.tail) if errors(cut) <= most), None)
        return Suggestion(sound) if sound else "breaksSyntax"

    def _block(self, index: int, before: str) -> Suggestion | Rejection:
        """As many lines as add no syntax error; the fewest where they do not lead onto the code below."""
        document, cursor, want = self._document, self._cursor, self._want
        text, rest = self.raw[index][: self.ended[index]], self.raw[index][self.ended[index] :]
        if index in self._cut_short:
            text = postprocess.without_last_line(text)
        text = postprocess.without_following_lines(text.rstrip(), before, self._after)
        if not text.strip():
            return "repeatsSuffix"
        text = postprocess.indented_like(text, before)
        # While typing, what a block opens may be left to be written.
        asked = self._most_ms is None
        errors = soundness.unfinished_with(document, cursor) if asked else soundness.errors_with(document, cursor)
        leads = index in self._said_all or postprocess.leads_onto(rest, self._after)
        brief = isinstance(want, Block) and want.until == "below" and not leads
        sound = postprocess.soundest(text, errors, tolerated_errors(document, cursor), brief)
        return Suggestion(sound) if sound.strip() else "breaksSyntax"

    def _between(self, index: int, want: Block) -> Suggestion | Rejection:
        """As many lines as add no syntax error between an opener and the closers that stand behind the cursor."""
        document, cursor = self._document, self._cursor
        text = self.raw[index][: self.ended[index]]
        if index in self._cut_short:
            text = postprocess.without_last_line(text)
        text = postprocess.indented_like(text.rstrip(), want.start)
        body, last = postprocess.parted(text, want.start)
        end = "\n" + indentation(want.start)
        most = tolerated_errors(document, cursor)
        for kept, replaces in postprocess.fits(last, want.tail) if body.strip() and last else ():
            if soundness.errors_with(document, cursor, replaces)(whole := body.rstrip() + end + kept) <= most:
                return Suggestion(whole, replaces)
        errors = soundness.errors_with(document, cursor)
        sound = postprocess.soundest(body, lambda lines: errors(lines + end), most)
        return Suggestion(sound + end) if sound.strip() else "breaksSyntax" if body.strip() else "empty"

    def _sureness(self, index: int, length: int | None = None) -> tuple[float, float]:
        """The mean and the smallest probability of the pieces of which the first `length` characters consist."""
        logprobs = [logprob for start, logprob in self._pieces[index] if length is None or start < length]
        return (math.exp(fmean(logprobs)), math.exp(min(logprobs))) if logprobs else (0.0, 0.0)
