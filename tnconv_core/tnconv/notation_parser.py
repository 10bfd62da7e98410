"""Reading notation: tokens, and a tree that knows nothing of sizes yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NoReturn

from tnconv.notation_tree import (
    AxisText,
    InputText,
    NetworkText,
    OperandText,
    PatternText,
    ReindexText,
    SubText,
    fail,
)

TOKEN = re.compile(
    r"""(?P<word>[^\W\d]\w*'*)|"(?P<quoted>[^"]+)"|(?P<number>\d+)"""
    r"""|(?P<mark>->|[~=:;,()\[\]{}+*/|-])"""
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int


def read_network(text: str) -> NetworkText:
    """The tree of a whole text."""
    reader = _Reader(text, _tokens(text))
    body = reader.network()
    reader.expect("end", "the end of the text")
    return body


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = TOKEN.match(text, at)
        if match is None:
            fail(text, at, f"{text[at]!r} is not part of the notation")
        kind = str(match.lastgroup)
        value = str(match.group(kind))
        kind = {"quoted": "word", "mark": value}.get(kind, kind)
        found.append(Token(kind, value, at))
        at = match.end()
    return [*found, Token("end", "", len(text))]


@dataclass
class _Reader:
    text: str
    tokens: list[Token]
    next: int = 0
    inputs: int = 0
    places: dict[str, int] = field(default_factory=dict)

    # ---- tokens

    def peek(self, ahead: int = 0) -> Token:
        return self.tokens[min(self.next + ahead, len(self.tokens) - 1)]

    def take(self, kind: str) -> Token | None:
        token = self.peek()
        if token.kind != kind:
            return None
        self.next += 1
        return token

    def expect(self, kind: str, what: str) -> Token:
        token = self.take(kind)
        if token is None:
            self.fail(what)
        return token

    def fail(self, what: str) -> NoReturn:
        token = self.peek()
        have = repr(token.text) if token.kind != "end" else "the end"
        fail(self.text, token.at, f"expected {what}, found {have}")

    def label(self, what: str = "a label") -> str:
        token = self.expect("word", what)
        self.places.setdefault(token.text, token.at)
        return token.text

    def integer(self) -> int:
        sign = -1 if self.take("-") else 1
        return sign * int(self.expect("number", "a number").text)

    # ---- networks and operands

    def network(self) -> NetworkText:
        outer, self.places = self.places, {}
        operands: list[OperandText] = []
        if self.peek().kind != "->":
            operands.append(self.operand())
            while self.take(","):
                operands.append(self.operand())
        self.expect("->", "',' and another operand, or '->' and the output")
        scale = self.scale()
        output = self.axes()
        sizes = self.sizes() if self.take(";") else {}
        body = NetworkText(tuple(operands), output, scale, sizes, self.places)
        self.places = outer
        return body

    def operand(self) -> OperandText:
        at = self.peek().at
        if self.take("{"):
            body = self.network()
            self.expect("}", "'}' after the sub-network")
            self.expect(":", "':' and the axes that read the sub-network")
            return SubText(body, self.axes(), at)
        following = self.peek(1).kind
        if self.peek().kind == "word" and following == "~":
            return self.pattern()
        if self.peek().kind == "word" and following == "=":
            return self.reindex()
        return self.input()

    def input(self) -> InputText:
        at = self.peek().at
        conjugate = (
            self.peek().text == "conj"
            and self.peek(1).kind == "word"
            and self.peek(2).kind == ":"
        )
        self.next += conjugate
        name = f"x{self.inputs}"
        self.inputs += 1
        if self.peek(1).kind == ":":
            name = self.expect("word", "the name of an input").text
            self.next += 1
        return InputText(name, self.axes(), conjugate, at)

    def pattern(self) -> PatternText:
        at = self.peek().at
        label = self.label()
        self.next += 1
        terms, offset = self.affine()
        if not 1 <= len(terms) <= 2 or any(step < 1 for _, step in terms):
            fail(
                self.text,
                at,
                "expected a pattern: i ~ stride o + dilation k - padding, "
                "with positive stride and dilation",
            )
        kernel = terms[1] if len(terms) == 2 else None
        return PatternText(label, terms[0], kernel, -offset, at)

    def reindex(self) -> ReindexText:
        at = self.peek().at
        output = self.label()
        self.next += 1
        mode = self.expect("word", "a padding mode, as reflect(i, 1, 1)").text
        self.expect("(", "'(' and the label that is padded")
        label = self.label()
        numbers: list[tuple[int, ...]] = []
        while self.take(","):
            run = [self.integer()]
            while self.take(":"):
                run.append(self.integer())
            numbers.append(tuple(run))
        self.expect(")", "',' or ')'")
        length = 3 if mode == "pieces" else 1
        if any(len(run) != length for run in numbers):
            shape = "start:step:length" if length == 3 else "a number"
            fail(self.text, at, f"expected {shape} after each comma of {mode}(...)")
        if mode != "pieces" and len(numbers) != 2:
            fail(self.text, at, f"expected two widths, as {mode}(i, 1, 1)")
        return ReindexText(output, mode, label, tuple(numbers), at)

    # ---- axes

    def axes(self) -> tuple[AxisText, ...]:
        found: list[AxisText] = []
        while self.peek().kind in ("word", "(", "["):
            found.append(self.axis())
        return tuple(found)

    def axis(self) -> AxisText:
        at = self.peek().at
        if self.take("("):
            labels: list[str] = []
            while self.peek().kind == "word":
                labels.append(self.label())
            self.expect(")", "a label or ')'")
        elif self.take("["):
            return self.view(at)
        else:
            labels = [self.label()]
        if len(set(labels)) != len(labels):
            fail(self.text, at, "expected every label of a composite once")
        return AxisText(tuple((label, 0) for label in labels), at)

    def view(self, at: int) -> AxisText:
        terms, offset = self.affine()
        bounds = size = None
        if self.take("|"):
            if self.peek().kind == "number":
                low = self.integer()
                self.expect(":", "':' between the two bounds")
                bounds = (low, self.integer())
            if self.peek().text == "of":
                self.next += 1
                size = self.integer()
        self.expect("]", "'+', '-', '|' or ']'")
        return AxisText(terms, at, True, offset, bounds, size)

    def affine(self) -> tuple[tuple[tuple[str, int], ...], int]:
        terms: dict[str, int] = {}
        offset = 0
        sign = -1 if self.take("-") else 1
        while True:
            number = self.take("number")
            step = sign * (int(number.text) if number else 1)
            if self.peek().kind == "word":
                if self.peek().text in terms:
                    self.fail("another label (this one is in the sum already)")
                terms[self.label()] = step
            elif number:
                offset += step
            else:
                self.fail("a label or a number")
            if not (self.peek().kind == "+" or self.peek().kind == "-"):
                return tuple(terms.items()), offset
            sign = 1 if self.take("+") else -1
            self.next += sign < 0

    # ---- scale and sizes

    def scale(self) -> Fraction:
        if self.peek().kind not in ("-", "number"):
            return Fraction(1)
        over = self.integer()
        under = int(self.expect("number", "a number").text) if self.take("/") else 1
        if not under:
            self.fail("a number that is not 0 before this place")
        self.expect("*", "'*' between the scale and the output")
        return Fraction(over, under)

    def sizes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        while self.peek().kind == "word":
            if self.peek().text not in self.places:
                self.fail("a label of an operand or of the output")
            label = self.label()
            self.expect("=", "'=' and the size of the label")
            found[label] = self.integer()
        return found
