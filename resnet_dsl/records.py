"""Dataclasses that cost next to nothing to declare, for what every run of the program imports.

The standard library writes and compiles Python for each method of each class, and imports what reads
Python to do so: for the classes of a check that takes longer than the check. The methods here are the same
for all classes. Everything is spelled and means the same, as far as it is needed: type checkers are told
that these are the standard ones, and the functions of `dataclasses` take them as such.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import MISSING, Field, dataclass, field, fields, replace
else:
    FIELDS = "__record_fields__"

    class _Missing:
        """What a field without a default has for one."""

        def __repr__(self) -> str:
            return "MISSING"

    MISSING = _Missing()

    class Field:
        """A field as it is declared; one of a `default_factory` has a new value each time."""

        __slots__ = ("compare", "default", "default_factory", "kw_only", "metadata", "name", "repr", "type")

        def __init__(
            self, default: Any, default_factory: Any, compare: bool, repr: bool, kw_only: bool, metadata: Any
        ) -> None:
            self.default = default
            self.default_factory = default_factory
            self.compare = compare
            self.repr = repr
            self.kw_only = kw_only
            self.metadata = metadata

        @property
        def options(self) -> dict[str, Any]:
            """What `dataclasses.field` would be called with."""
            names = ("default", "default_factory", "compare", "repr", "kw_only", "metadata")
            return {name: given for name in names if (given := getattr(self, name)) is not MISSING}

    def field(
        *,
        default: Any = MISSING,
        default_factory: Any = MISSING,
        compare: bool = True,
        repr: bool = True,
        kw_only: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> Field:
        """Declare a field with more than a default."""
        return Field(default, default_factory, compare, repr, kw_only, metadata or {})

    def dataclass(
        cls: type | None = None,
        /,
        *,
        frozen: bool = False,
        eq: bool = True,
        init: bool = True,
        repr: bool = True,
    ) -> Any:
        """Make a class of annotated names one of records, as `dataclasses.dataclass` does."""

        def made(cls: type) -> type:
            declared = _declared(cls)
            setattr(cls, FIELDS, declared)
            cls.__dataclass_fields__, cls.__dataclass_params__ = STANDARD
            own = tuple(declared.values())
            cls.__match_args__ = tuple([each.name for each in own if not each.kw_only])
            methods = {
                "__init__": _initialiser(own, getattr(cls, "__post_init__", None)),
                "__repr__": _shown,
            }
            if eq:
                names = [each.name for each in own if each.compare]
                cls.__compared__ = attrgetter(*names) if names else _nothing
                methods |= {"__eq__": _equal, "__hash__": _hashed if frozen else None}
            if frozen:
                methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
            for name, method in methods.items():
                written = cls.__dict__.get(name)  # a hash of None comes with equality
                if written is None and getattr(cls, name) is not method:
                    setattr(cls, name, method)
            return cls

        return made if cls is None else made(cls)

    def fields(record: Any) -> tuple[Field, ...]:
        """Return the fields of a record or its class."""
        return tuple(getattr(record, FIELDS).values())

    def replace(record: Any, /, **changes: Any) -> Any:
        """Return a record with some fields changed."""
        cls = type(record)
        declared = cls.__dict__.get(FIELDS)
        if declared is None:  # a subclass of another make
            import dataclasses

            return dataclasses.replace(record, **changes)
        if not changes.keys() <= declared.keys():
            raise TypeError(f"{cls.__name__} has no {', '.join(changes.keys() - declared.keys())}")
        own = record.__dict__
        made = object.__new__(cls)
        made.__dict__.update([(name, own[name]) for name in declared])
        made.__dict__.update(changes)
        if hasattr(cls, "__post_init__"):
            made.__post_init__()
        return made

    # --- how a class is made -------------------------------------------------------------------

    def _declared(cls: type) -> dict[str, Field]:
        """The fields of a class by name, those of its bases first."""
        found: dict[str, Field] = {}
        for base in cls.__mro__[-1:0:-1]:
            found.update(base.__dict__.get(FIELDS, {}))
        for name, annotation in cls.__dict__.get("__annotations__", {}).items():  # noqa: RUF063
            if "ClassVar" not in str(annotation).partition("[")[0]:
                found[name] = _field(cls, name, annotation)
        return found

    def _field(cls: type, name: str, annotation: object) -> Field:
        """The field of a name: what is declared for it, or its default alone."""
        given = cls.__dict__.get(name, MISSING)
        made = given if isinstance(given, Field) else field(default=given)
        made.name, made.type = name, annotation
        if made.default is not MISSING:
            setattr(cls, name, made.default)
        elif given is made:
            delattr(cls, name)
        return made

    def _initialiser(own: tuple[Field, ...], then: Callable[[Any], None] | None) -> Callable[..., None]:
        """What sets the fields of a record, in their order whatever the order of the arguments is."""
        places = tuple(each.name for each in own if not each.kw_only)
        defaults = {each.name: each.default for each in own}
        factories = [(each.name, each.default_factory) for each in own if each.default_factory is not MISSING]
        needed = {n for n, given in defaults.items() if given is MISSING} - {name for name, _ in factories}
        least, most = len(needed), len(places)
        # Most records are given by places alone, and have nothing that needs more than its default.
        usual = not factories and most == len(own) and then is None
        rest = tuple(defaults.values())[least:]

        def __init__(self: Any, *values: Any, **named: Any) -> None:
            given = self.__dict__
            if usual and not named and least <= len(values) <= most:
                given.update(zip(places, values + rest[len(values) - least :], strict=True))
                return
            given.update(defaults)
            given.update(zip(places, values, strict=False))
            given.update(named)
            for name, factory in factories:
                if given[name] is MISSING:
                    given[name] = factory()
            before = places[: len(values)]
            if len(values) > most or len(given) > len(own) or not needed <= {*before, *named}:
                raise TypeError(_mismatch(type(self), own, needed))
            if not named.keys().isdisjoint(before):
                raise TypeError(_mismatch(type(self), own, needed))
            if then is not None:
                then(self)

        return __init__

    def _mismatch(cls: type, own: tuple[Field, ...], needed: set[str]) -> str:
        """What a class takes, for who gives it something else."""
        names = [each.name if each.name in needed else f"{each.name}=…" for each in own]
        return f"{cls.__name__} takes {', '.join(names) or 'nothing'}"

    def _nothing(record: Any) -> tuple[()]:
        return ()

    def _equal(self: Any, other: object) -> Any:
        cls = type(self)
        return cls.__compared__(self) == cls.__compared__(other) if cls is type(other) else NotImplemented

    def _hashed(self: Any) -> int:
        return hash(type(self).__compared__(self))

    def _shown(self: Any) -> str:
        shown = [each.name for each in fields(self) if each.repr]
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def _refuse_to_set(self: Any, name: str, value: object) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_to_delete(self: Any, name: str) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    # --- what the standard library asks of a dataclass -----------------------------------------

    class _StandardFields:
        """The fields of a class as `dataclasses` has them, made when it asks for them."""

        def __get__(self, record: object, cls: type) -> dict[str, Any]:
            import dataclasses

            own = getattr(cls, FIELDS)
            body = {each.name: dataclasses.field(**each.options) for each in own.values()}
            body["__annotations__"] = {name: each.type for name, each in own.items()}
            body["__module__"] = cls.__module__  # where annotations are looked up
            made = dataclasses.dataclass(init=False, repr=False, eq=False)(type(cls.__name__, (), body))
            cls.__dataclass_fields__ = made.__dataclass_fields__
            return made.__dataclass_fields__

    class _StandardParams:
        """The options of the decorator, as `dataclasses` asks for them of a base."""

        init = repr = eq = True
        order = unsafe_hash = False

        def __get__(self, record: object, cls: type) -> _StandardParams:
            self.frozen = cls.__setattr__ is _refuse_to_set
            return self

    STANDARD = _StandardFields(), _StandardParams()


__all__ = ["MISSING", "Field", "dataclass", "field", "fields", "replace"]
