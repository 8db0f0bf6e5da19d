"""Models on a hub, `hf://owner/name@revision`, through huggingface_hub: its cache, its mirrors, its offline mode.

`HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME` and `HF_HUB_OFFLINE` mean what they mean to that client.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docgen_plugin import manifest
from docgen_plugin.console import say
from docgen_plugin.errors import ModelError
from docgen_plugin.files import digest, replace_file
from docgen_plugin.manifest import Manifest
from docgen_plugin.model_folders import check_space

__all__ = ["HubFile", "HubReference", "SCHEME", "cached", "fetch", "held", "look", "parse", "upload"]

SCHEME = "hf://"
_REFERENCE = re.compile(
    r"hf://(?P<repository>[\w.-]+/[\w.-]+)"
    r"(?:@(?P<revision>refs/[\w.-]+/[\w.-]+|[^/@\s]+))?"
    r"(?:/(?P<file>[^\s]+\.gguf))?",
    re.ASCII,
)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubReference:
    """What a person named: a repository, perhaps a revision, perhaps one GGUF of several."""

    repository: str
    revision: str = ""
    file: str = ""

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which can never mean something else."""
        return _COMMIT.fullmatch(self.revision) is not None

    def __str__(self) -> str:
        """Return it as it is typed."""
        revision, file = self.revision and f"@{self.revision}", self.file and f"/{self.file}"
        return f"{SCHEME}{self.repository}{revision}{file}"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A GGUF of one commit."""

    reference: HubReference  # pinned
    file: str
    size: int  # bytes
    sha256: str  # as the hub or the manifest states it; "" when neither does
    manifest: Manifest | None
    path: Path | None = None  # in the hub's cache on this machine, None while it is not there


class _UnreachableError(ModelError):
    """The hub gives no answer now; what is in the cache can still be used."""


def parse(reference: str) -> HubReference:
    """Return the parts of a reference.

    >>> parse("hf://acme/shop@v2"), parse("hf://acme/shop/shop-q4.gguf").file
    (HubReference(repository='acme/shop', revision='v2', file=''), 'shop-q4.gguf')

    Raises:
        ModelError: when it is none.
    """
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise ModelError(
            f"{reference}: wants hf://owner/name, hf://owner/name@revision or .../FILE.gguf behind it"
        )
    return HubReference(**{key: value or "" for key, value in found.groupdict().items()})


def cached(asked: HubReference) -> HubFile | None:
    """Return what the hub's cache on this machine holds for a reference, None when that is nothing."""
    folder = _storage(asked.repository)
    commit = asked.revision
    if not asked.pinned:
        try:
            commit = (folder / "refs" / (asked.revision or "main")).read_text("utf-8").strip()
        except OSError:
            return None
    return _in_snapshot(replace(asked, revision=commit), folder / "snapshots" / commit)


def _in_snapshot(asked: HubReference, snapshot: Path) -> HubFile | None:
    stated: Manifest | None = None
    file = asked.file
    if (snapshot / manifest.FILE).is_file():
        stated = manifest.read(snapshot / manifest.FILE)
        if file in ("", stated.file):
            file = stated.file
        else:
            stated = None
    if not file:
        lying = sorted(one.name for one in snapshot.glob("*.gguf"))
        file = lying[0] if len(lying) == 1 else ""
    path = snapshot / file
    if not file or not path.is_file():
        return None
    blob = Path(os.path.realpath(path)).name  # the cache names a large file by the hash that the hub stated
    sha256 = stated.sha256 if stated else blob if _SHA256.fullmatch(blob) else ""
    return HubFile(asked, file, path.stat().st_size, sha256, stated, path)


def held() -> list[HubFile]:
    """Return the models with a manifest in the hub's cache on this machine; none without huggingface_hub."""
    try:
        root = _cache()
    except ModelError:
        return []
    found = []
    for stated in sorted(root.glob(f"models--*/snapshots/*/{manifest.FILE}")):
        repository = stated.parents[2].name.removeprefix("models--").replace("--", "/", 1)
        try:
            one = _in_snapshot(HubReference(repository, stated.parent.name), stated.parent)
        except ModelError:
            continue
        if one is not None:
            found.append(one)
    return found


def look(asked: HubReference) -> HubFile:
    """Return what a reference means now by the hub: the commit, the GGUF, its hash and its manifest.

    Raises:
        ModelError: when the hub refuses or cannot be reached, or when it is not clear which GGUF is meant.
    """
    with _told(asked):
        info = (
            _client()
            .HfApi()
            .model_info(asked.repository, revision=asked.revision or None, files_metadata=True, timeout=10)
        )
    pinned = replace(asked, revision=str(info.sha))
    files = {one.rfilename: one for one in info.siblings or ()}
    stated: Manifest | None = None
    if manifest.FILE in files and not asked.file:
        with _told(pinned):
            stated = manifest.read(_download(pinned, manifest.FILE))
    file = asked.file or (stated.file if stated else _only_gguf(asked, sorted(files)))
    if file not in files:
        raise ModelError(f"{pinned}: has no file {file}")
    large = files[file].lfs
    told = str(large.sha256) if large else ""
    if stated and told and stated.sha256 != told:
        raise ModelError(
            f"{pinned}: refused: its manifest states sha256 {stated.sha256[:12]}... for {file}, the hub has {told[:12]}..."
        )
    size = int(files[file].size or (stated.size if stated else 0))
    return HubFile(pinned, file, size, told or (stated.sha256 if stated else ""), stated)


def _only_gguf(asked: HubReference, files: list[str]) -> str:
    found = [name for name in files if name.endswith(".gguf")]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ModelError(
            f"{asked}: holds no GGUF file: export the model and publish it with docgen-train publish"
        )
    example = HubReference(asked.repository, asked.revision, found[0])
    raise ModelError(f"{asked}: holds {len(found)} GGUF files, name one: {example}" + _others(found[1:]))


def _others(names: list[str]) -> str:
    return f" (or {', '.join(names[:6])}{', ...' if len(names) > 6 else ''})" if names else ""


def fetch(asked: HubReference, fresh: bool = False) -> HubFile:
    """Return a model that is in the hub's cache on this machine afterwards, its hash checked.

    A commit that is there is taken without asking the hub. A branch, a tag or nothing means what the hub says
    now; when that cannot be reached, what was pulled last, unless `fresh` wants an answer.

    Raises:
        ModelError: when it cannot be had, does not fit on the disk, or is not the file that was stated.
    """
    there = cached(asked)
    if there is not None and asked.pinned:
        assert there.path is not None  # it is in the cache
        if not fresh or not there.sha256 or digest(there.path) == there.sha256:
            return there
        _drop(there.path)
    try:
        wanted = look(asked)
    except _UnreachableError as err:
        if there is None or fresh:
            raise
        say(f"note: {err}; {there.reference}, pulled before, is used")
        return there
    folder = _cache()
    already = cached(wanted.reference)
    if already is None:
        check_space(folder, wanted.size)
    with _told(wanted.reference):
        path = _download(wanted.reference, wanted.file)
    found = digest(path)
    if wanted.sha256 and found != wanted.sha256:
        _drop(path)
        raise ModelError(
            f"{wanted.reference}: refused: what came for {wanted.file} has sha256 {found[:12]}..., "
            f"{wanted.sha256[:12]}... was stated: pull it again, or ask who runs the mirror"
        )
    if not asked.pinned:
        _remember(asked, wanted.reference.revision)
    return replace(wanted, path=path, sha256=found)


def _download(pinned: HubReference, file: str) -> Path:
    return Path(_client().HfApi().hf_hub_download(pinned.repository, file, revision=pinned.revision))


def _drop(path: Path) -> None:
    """Take a file out of the hub's cache: under the hash it should have, it would be taken for that file."""
    blob = Path(os.path.realpath(path))
    path.unlink(missing_ok=True)
    blob.unlink(missing_ok=True)


def _remember(asked: HubReference, commit: str) -> None:
    # the cache's own place for it: https://huggingface.co/docs/huggingface_hub/guides/manage-cache#refs
    path = _storage(asked.repository) / "refs" / (asked.revision or "main")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, commit.encode())
    except OSError as err:
        say(
            f"note: {path}: cannot be written: {err.strerror or err}; without a network {asked} will not be found"
        )


def upload(repository: str, files: Mapping[str, Path | bytes], message: str, private: bool) -> HubReference:
    """Upload files as one commit, the repository made when it is not there; return the reference with the commit.

    Raises:
        ModelError: when the hub refuses or cannot be reached; no commit is made then.
    """
    client = _client()
    target = HubReference(repository)
    operations = [
        client.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
        for name, content in files.items()
    ]
    with _told(target, "HF_TOKEN with the right to write there"):
        api = client.HfApi()
        api.create_repo(repository, private=private or None, exist_ok=True)
        made = api.create_commit(repository, operations, commit_message=message)
    return replace(target, revision=str(made.oid))


def _client() -> Any:
    try:
        import huggingface_hub
    except ImportError as err:
        raise ModelError("hf:// models need huggingface_hub: pip install 'docgen-plugin[hub]'") from err
    return huggingface_hub


def _cache() -> Path:
    _client()
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _storage(repository: str) -> Path:
    return _cache() / f"models--{repository.replace('/', '--')}"


@contextmanager
def _told(asked: HubReference, token: str = "HF_TOKEN") -> Iterator[None]:
    """Turn what the client raises into one line, and keep its own log lines off the screen."""
    _client()
    from huggingface_hub import errors
    from huggingface_hub.utils import logging as client_log

    network: Any = errors.HfHubHTTPError.__bases__[0]  # of whichever HTTP library the client's version uses
    before = client_log.get_verbosity()
    client_log.set_verbosity(logging.ERROR)
    try:
        yield
    except (OSError, ValueError, LookupError, RuntimeError, network) as err:
        raise _explained(err, asked, token, errors) from err
    finally:
        client_log.set_verbosity(before)


def _explained(err: BaseException, asked: HubReference, token: str, errors: Any) -> ModelError:
    """Return our error for one of the client's."""
    if isinstance(err, errors.LocalEntryNotFoundError | RuntimeError) and err.__cause__ is not None:
        return _explained(
            err.__cause__, asked, token, errors
        )  # says only that something failed; its cause says what
    if isinstance(err, errors.OfflineModeIsEnabled):
        return _UnreachableError(f"{asked}: not pulled yet, and HF_HUB_OFFLINE keeps docgen off the network")
    if isinstance(err, errors.RevisionNotFoundError):
        return ModelError(f"{asked}: the repository has no such revision")
    if isinstance(err, errors.HfHubHTTPError):
        return _answered(err.response, asked, token)
    text = " ".join(str(err).split())
    if isinstance(err, OSError) and err.errno is not None and err.filename:
        return ModelError(f"{err.filename}: cannot be written: {err.strerror}")
    if text.startswith("Consistency check failed"):
        return _UnreachableError(f"{asked}: the download ended early: pull it again")
    if isinstance(err, OSError | errors.HfHubHTTPError.__bases__[0]):
        return _UnreachableError(f"{asked}: {_endpoint()} cannot be reached: {text}")
    if isinstance(err, LookupError):
        return ModelError(f"{asked}: {_endpoint()} answers what huggingface_hub does not understand: {text}")
    return ModelError(f"{asked}: {text}")


def _answered(response: Any, asked: HubReference, token: str) -> ModelError:
    status = int(response.status_code)
    if status in (401, 403):
        return ModelError(
            f"{asked}: {_endpoint()} answers {status}: no such repository, or it is not open to you: set {token}"
        )
    if status == 404:
        return ModelError(f"{asked}: {_endpoint()} has no such repository or file (404)")
    if status == 429:
        wait = response.headers.get("Retry-After", "")
        when = f"in {wait} s" if wait.isdecimal() else "later"
        return _UnreachableError(f"{asked}: {_endpoint()} has had too many requests (429): try again {when}")
    if status >= 500:
        return _UnreachableError(f"{asked}: {_endpoint()} answers {status}: try again later")
    return ModelError(f"{asked}: {_endpoint()} answers {status}: {response.text[:200]}")


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)
