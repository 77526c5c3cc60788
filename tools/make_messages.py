"""Writes what follows from the structs of sealed messages: web/src/protocol/messages.ts, an example of each for the
browser's tests, and the tables in protocol/control.md.

Run it after `slidewire.control.messages` or `slidewire.control.state` changed, and read the diff. A test asks whether
what is committed is what this makes.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from slidewire.control import messages, state

ROOT = Path(__file__).parent.parent
TYPES = ROOT / "web/src/protocol/messages.ts"
EXAMPLES = ROOT / "web/tests/support/examples.ts"
DOCUMENT = ROOT / "protocol/control.md"

FROM_PRESENTER = tuple(struct for struct in get_args(messages.FromPresenter) if struct is not messages.Command)
FROM_HOST = get_args(messages.FromHost)
REQUESTS = get_args(messages.CommandRequest)
PARTS = {
    name: part
    for name, hint in get_type_hints(state.State).items()
    for part in (hint, *get_args(hint))
    if part in (state.DeckPart, state.YouPart, state.MediaPart, state.RoomPart)
}
"""The state's parts that have fields, of which a message names those that changed."""


class _Part(NamedTuple):
    struct: type[Struct]


# --- What a struct is made of -----------------------------------------------------------------------------------------


def fields(struct: type[Struct]) -> Iterator[tuple[str, Any, bool]]:
    """The name on the wire, the type, and whether the field may be absent."""
    hints = get_type_hints(struct, include_extras=True)
    is_asked = struct in (*FROM_PRESENTER, *REQUESTS, messages.IceCandidate)
    for field in msgspec.structs.fields(struct):
        hint = hints[field.name]
        options = [hint] if get_origin(hint) is Annotated else list(get_args(hint) or [hint])
        is_optional = UnsetType in options or (is_asked and not field.required)
        if struct is messages.StateMessage and field.name in PARTS:
            hint = _Part(PARTS[field.name])
        yield field.encode_name, hint, is_optional


def text(struct: type[Struct]) -> str:
    return " ".join((struct.__doc__ or "").split())


def referred(hint: Any) -> Iterator[type[Struct]]:
    """The structs that a type is made of, those that others need first."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        for _, inner, _ in fields(hint):
            yield from referred(inner)
        yield hint
    for part in get_args(hint):
        yield from referred(part)


# --- TypeScript -------------------------------------------------------------------------------------------------------

_PLAIN = {int: "number", float: "number", str: "string", bool: "boolean", type(None): "null", object: "unknown"}


def typescript(hint: Any) -> str:
    if isinstance(hint, _Part):
        return f"Partial<{hint.struct.__name__}>"
    origin, args = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint.__name__
    if origin is Annotated:
        words = [meta.examples for meta in args[1:] if isinstance(meta, Meta) and meta.examples]
        return " | ".join(f"'{word}'" for word in words[0]) if words else typescript(args[0])
    if origin in (Union, types.UnionType):
        return " | ".join(typescript(part) for part in args if part is not UnsetType)
    if origin is list:
        item = typescript(args[0])
        return f"({item})[]" if " " in item else f"{item}[]"
    if origin is dict:
        return f"{{ [name: string]: {typescript(args[1])} }}"
    raise TypeError(f"no TypeScript for {hint}")


def interface(struct: type[Struct], first: str = "") -> str:
    lines = [f"/** {text(struct)} */", f"export interface {struct.__name__} {{"]
    lines += [f"  {first}"] if first else []
    for name, hint, is_optional in fields(struct):
        lines.append(f"  {name}{'?' if is_optional else ''}: {typescript(hint)}")
    return "\n".join([*lines, "}", ""])


def union(name: str, comment: str, members: list[str]) -> str:
    return "\n".join([f"/** {comment} */", f"export type {name} =", *(f"  | {member}" for member in members), ""])


def make_types() -> str:
    told = dict.fromkeys(
        struct
        for one in (*FROM_PRESENTER, *FROM_HOST, state.PresenterMedia, state.State)
        for struct in referred(one)
        if struct not in (*FROM_PRESENTER, *FROM_HOST)
    )
    return "\n".join(
        [
            "/* Sealed messages and the state (control.md §7, §8). Made by tools/make_messages.py of the structs in",
            " * slidewire.control.messages and slidewire.control.state: change those. */",
            "",
            *(interface(struct) for struct in told),
            *(
                interface(struct, f"type: '{messages.tag(struct)}'")
                for struct in dict.fromkeys((*FROM_PRESENTER, *FROM_HOST))
            ),
            *(interface(struct, f"name: '{messages.tag(struct)}'") for struct in REQUESTS),
            union("CommandRequest", "What an operator asks for.", [struct.__name__ for struct in REQUESTS]),
            "/** An operator's command. */",
            "export type Command = { type: 'command'; id: number } & CommandRequest",
            "",
            union(
                "FromPresenter",
                "What a presenter may say.",
                [*(struct.__name__ for struct in FROM_PRESENTER), "Command"],
            ),
            union("FromHost", "What a host may say.", [struct.__name__ for struct in FROM_HOST]),
            "/** What a host's message must have: numbers (after #) and texts. */",
            "const NEEDED: { [type: string]: string } = {",
            *(f"  {messages.tag(struct)}: '{needed(struct)}'," for struct in FROM_HOST),
            "}",
            "",
            "/** Null: it is none, or one of a later version. */",
            "export function readFromHost(value: unknown): FromHost | null {",
            "  const message = value as { type: string; [field: string]: unknown } | null",
            "  const needed = NEEDED[message?.type ?? '']?.split(' ') ?? ['type?']",
            "  const has = (field: string): boolean =>",
            "    !field || typeof message?.[field.replace('#', '')] === (field[0] === '#' ? 'number' : 'string')",
            "  return needed.every(has) ? (message as unknown as FromHost) : null",
            "}",
            "",
        ]
    )


def needed(struct: type[Struct]) -> str:
    """Its numbers and texts that have no default, as `readFromHost` checks them."""
    marks = {"number": "#", "string": ""}
    required = {field.encode_name for field in msgspec.structs.fields(struct) if field.required}
    told = [(name, typescript(hint)) for name, hint, _ in fields(struct) if name in required]
    return " ".join(f"{marks[kind]}{name}" for name, kind in told if kind in marks)


# --- Examples ---------------------------------------------------------------------------------------------------------


def example(hint: Any) -> Any:
    """A value of that type, none of them a default."""
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Struct):
        return of(hint)
    if origin is Annotated:
        words = [meta.examples for meta in args[1:] if isinstance(meta, Meta) and meta.examples]
        return words[0][-1] if words else example(args[0])
    if origin in (Union, types.UnionType):
        return example(next(part for part in args if part not in (UnsetType, type(None))))
    if origin is list:
        return [example(args[0])]
    if origin is dict:
        return {"name": example(args[1])}
    return {int: 1, float: 2.5, str: "text", bool: True, object: 1}[hint]


def of(struct: type[Struct]) -> Any:
    hints = get_type_hints(struct, include_extras=True)
    return struct(**{name: example(hints[name]) for name in struct.__struct_fields__})


def examples_from_presenter() -> list[Any]:
    commands: list[Any] = [messages.Command(number, of(struct)) for number, struct in enumerate(REQUESTS)]
    return [*(of(struct) for struct in FROM_PRESENTER), *commands]


def examples_from_host() -> list[Any]:
    whole = of(state.State)
    later = msgspec.structs.replace(whole, deck=state.DeckPart(slide=2), started=None, laser=UNSET)
    told = [state.whole(whole, 1), state.changes(whole, later, 2, since=1)]
    return [*told, *(of(struct) for struct in FROM_HOST if struct is not messages.StateMessage)]


def make_examples() -> str:
    def written(all_of_them: list[Any]) -> str:
        objects = [json.loads(messages.encode(message)) for message in all_of_them]
        return ",\n".join("  " + json.dumps(each, ensure_ascii=False) for each in objects)

    return "\n".join(
        [
            "/* One of each message, as the Python side writes it. Made by tools/make_messages.py. */",
            "",
            "import type { FromHost, FromPresenter, State } from '../../src/protocol/messages.ts'",
            "",
            f"export const FROM_PRESENTER: FromPresenter[] = [\n{written(examples_from_presenter())},\n]",
            "",
            f"export const FROM_HOST: FromHost[] = [\n{written(examples_from_host())},\n]",
            "",
            "/** What the first state among them says. */",
            f"export const STATE: State = {json.dumps(msgspec.to_builtins(of(state.State)), ensure_ascii=False)}",
            "",
        ]
    )


# --- Tables -----------------------------------------------------------------------------------------------------------


def written(name: str, hint: Any, is_optional: bool) -> str:
    """A field in a table: `name?: type`."""
    return f"{name}{'?' if is_optional else ''}: {typescript(hint).replace(chr(39), '')}"


def row(struct: type[Struct], *more: str) -> str:
    told = ", ".join(f"`{written(*field)}`" for field in fields(struct)).replace(" | ", " \\| ")
    return "| " + " | ".join([f"`{messages.tag(struct)}`", told, *more, text(struct)]) + " |"


def table(heads: list[str], rows: list[str]) -> str:
    return "\n".join(["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", *rows])


def part_rows() -> list[str]:
    rows = []
    for struct in dict.fromkeys(referred(state.State)):
        told = ", ".join(f"`{written(*field)}`" for field in fields(struct)).replace(" | ", " \\| ")
        rows.append(f"| `{struct.__name__}` | {told} | {text(struct)} |")
    return rows


def reply_of(request: type[messages.Request]) -> str:
    return ", ".join(f"`{written(*field)}`" for field in fields(request.reply)) or "–"


def tables() -> dict[str, str]:
    both = [struct for struct in FROM_PRESENTER if struct in FROM_HOST]
    heads = ["type", "fields", ""]
    return {
        "from the presenter": table(heads, [row(struct) for struct in FROM_PRESENTER if struct not in both]),
        "from the host": table(heads, [row(struct) for struct in FROM_HOST if struct not in both]),
        "both ways": table(heads, [row(struct) for struct in both]),
        "commands": table(["name", "fields", "in the reply", ""], [row(each, reply_of(each)) for each in REQUESTS]),
        "the state": table(["", "fields", ""], part_rows()),
    }


def make_document(document: str) -> str:
    """The document with the tables between their markers made anew."""
    for name, made in tables().items():
        before, opening, rest = document.partition(f"<!-- {name}: made by tools/make_messages.py -->\n")
        _, closing, after = rest.partition("<!-- end -->")
        if not closing:
            raise ValueError(f"{DOCUMENT.name} has no place for the table {name!r}")
        document = f"{before}{opening}{made}\n{closing}{after}"
    return document


def main() -> None:
    TYPES.write_text(make_types(), encoding="utf-8")
    EXAMPLES.write_text(make_examples(), encoding="utf-8")
    DOCUMENT.write_text(make_document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
