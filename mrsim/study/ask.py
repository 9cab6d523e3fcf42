"""Questions put to a protocol: the verdict, and the cheapest change that turns a no into a yes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..core.errors import InfeasibleError, InputError
from ..core.toml import read_toml, resource
from ..phantom.phantom import Phantom
from ..phantom.stiffness import MODULI
from ..plan.answer import Verdict, refused, undecided
from ..plan.question import Question, read_question
from ..plan.verdict import runs_verdict, time_verdict, verdict
from ..sequence.protocol import FOLDER, read_protocol_file
from ..sequence.scanner import choose_scanner
from .plan import Tell, forecast, regional
from .remedies import place_of, pure_voxels, with_remedy
from .request import RunRequest
from .run import prepare
from .snr import Built


def questions_of(protocol: str, asked: Iterable[str]) -> tuple[Question, ...]:
    """Return the questions of a protocol's file and of the command line."""
    found = []
    if not protocol.lower().endswith(".seq"):
        path = resource(protocol, FOLDER, "protocol")
        for table in read_toml(path).get("question", []):
            entries = dict(table)
            if "ask" not in entries:
                raise InputError("has no 'ask'", key="question", file=path)
            found.append(read_question(entries.pop("ask"), entries))
    return (*found, *(read_question(text) for text in asked))


def answers(
    request: RunRequest, questions: Iterable[Question], *, remedies: bool = True, progress: Tell | None = None,
    built: Built | None = None,
) -> tuple[Verdict, ...]:  # fmt: skip
    """Return a verdict on every question, one for each tissue that its words name.

    Parameters
    ----------
    request : RunRequest
        The protocol as it is asked about.
    questions : iterable of Question
    remedies : bool
        Whether to look for the cheapest change that turns a no into a yes.
    progress : callable, optional
    built : Built, optional
        Protocols that are built already; it is added to.
    """
    built = Built() if built is None else built
    return tuple(found for question in questions for found in _answers(request, question, remedies, progress, built))


def _answers(
    request: RunRequest, question: Question, remedies: bool, progress: Tell | None, built: Built
) -> Iterator[Verdict]:
    if question.kind == "volume":
        from .volume_time import volume_verdict

        yield volume_verdict(request, question)
        return
    if question.kind == "runs":
        yield _runs(request, question)
        return
    grades = question.grades if question.kind == "tell" else ()
    if question.kind == "time":
        yield time_verdict(question, built.of(request)[0].scan_time)
        return
    ready = prepare(request)
    if question.kind == "bound" and ready.sequence.encoding.kind == "spectrum":
        from .spectral_verdict import spectral_verdict

        yield spectral_verdict(ready, question, progress, remedies=remedies)
        return
    if question.kind == "change" and "encoding" in ready.sequence.encoding.contrast:
        yield from _stiffness(request, question, ready.phantom, remedies, built)
        return
    voxels: dict[str, int] = {}
    for name in named_tissues(question, ready.phantom):
        if question.kind == "tell" and not _graded(ready.phantom, name):
            yield undecided(question, name, f"{name} has no Pfirrmann grades in the phantom {ready.phantom.name}")
            continue
        voxels = voxels or pure_voxels(ready)
        place = place_of(request, question, name, voxels[name], built)
        found = forecast(request, grades, (name,), progress, brief=True, built=built)
        answer = verdict(question, found, name, place.spread, place.voxels)
        if answer.answer == "no" and remedies:
            answer = with_remedy(answer, request, question, found, place, built, progress)
        yield answer


def _stiffness(
    request: RunRequest, question: Question, phantom: Phantom, remedies: bool, built: Built
) -> Iterator[Verdict]:
    """Yield a verdict on each tissue that is named; where none is, on those of regions that know their stiffness."""
    from .wave_verdict import stiffness_verdict

    if question.parameter != "stiffness":
        yield undecided(question, question.where, f"{request.protocol} measures stiffness, not {question.parameter}")
        return
    held = [t for t in phantom.tissues if t.name in regional(phantom) and any(name in t.facts for name in MODULI)]
    names = named_tissues(question, phantom) if question.where else [t.name for t in held if t.grade is not None]
    for tissue in phantom.tissues:
        if tissue.name in (names or [t.name for t in held]):
            yield stiffness_verdict(request, question, tissue, remedies, built)


def _runs(request: RunRequest, question: Question) -> Verdict:
    _, family, table = read_protocol_file(resource(request.protocol, FOLDER, "protocol"), dict(request.overrides))
    scanner = choose_scanner(request.field, request.scanner, str(table.get("scanner", "3T")))
    try:
        return runs_verdict(question, family.build(scanner))
    except (InfeasibleError, InputError) as problem:
        return refused(question, str(problem))


def _graded(phantom: Phantom, name: str) -> bool:
    return next(tissue for tissue in phantom.tissues if tissue.name == name).grade is not None


def named_tissues(question: Question, phantom: Phantom) -> tuple[str, ...]:
    """Return the phantom's tissues that a question's words name: all of whose words stand in the tissue's name."""
    known = [tissue.name for tissue in phantom.tissues]
    words = question.where.replace("_", " ").split()
    if not words:
        raise InputError(f"'{question.text}' names no tissue; {phantom.name} has {', '.join(known)}", key="--ask")
    found = tuple(name for name in known if all(word in name.split("_") for word in words))
    if not found:
        said = " ".join(words)
        raise InputError(f"'{said}' is no tissue of {phantom.name}; it has {', '.join(known)}", key="--ask")
    return found
