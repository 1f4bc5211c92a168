"""The Hugging Face hub: which files a repository holds, who may read them, and bringing them here.

`HF_ENDPOINT` names another hub. A token comes from `HF_TOKEN` or the hub's own login, and goes
nowhere but into the headers of requests.
"""

import hashlib
import logging
import os
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spotrank.base.store import InputError

log = logging.getLogger(__name__)

COMMIT = re.compile("[0-9a-f]{40}")
PAUSES = (1, 2, 4, 8, 16, 32)  # seconds before each new try of what may pass by itself
FEW = PAUSES[:1]  # where somebody waits for the answer
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
TOKEN = re.compile(r"[\w.~+/=-]+", re.ASCII)  # RFC 6750, 2.1


class Away(InputError):
    """The hub can't be asked, whatever the question."""


@dataclass(frozen=True)
class File:
    """A file of a repository at one commit.

    repo: `owner/name`; kind: 'model' or 'dataset'; size: bytes; digest: `sha256` of the content, or
    git's sha1 of the blob for small files that the hub keeps in git.
    """

    repo: str
    kind: str
    commit: str
    name: str
    size: int
    digest: str


def endpoint():
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def page(repo, kind):
    """Address of a repository's page, where its terms are accepted."""
    return f"{endpoint()}/{'datasets/' if kind == 'dataset' else ''}{repo}"


def commit_of(repo, kind, revision, pauses=PAUSES):
    """The commit (40 hex digits) that a branch or tag names now."""
    if COMMIT.fullmatch(revision):
        return revision
    return _ask(
        repo, kind, lambda api: api.repo_info(repo, revision=revision, repo_type=kind).sha, pauses
    )


def listing(repo, kind, commit):
    """Names of the files and folders at the top of a repository."""
    tree = _ask(
        repo, kind, lambda api: list(api.list_repo_tree(repo, revision=commit, repo_type=kind))
    )
    return [entry.path for entry in tree]


def files(repo, kind, commit, names, pauses=PAUSES, at_a_time=500):
    """`{name: File}` of those `names` that the repository holds; the others are left out."""
    found = {}
    for start in range(0, len(names), at_a_time):
        part = list(names[start : start + at_a_time])
        for info in _ask(
            repo,
            kind,
            lambda api, part=part: api.get_paths_info(repo, part, revision=commit, repo_type=kind),
            pauses,
        ):
            digest = info.lfs.sha256 if info.lfs else info.blob_id
            found[info.path] = File(repo, kind, commit, info.path, info.size, digest)
    return found


def access(repo, kind):
    """Whether a repository may be read: 'granted', or a sentence that says what to do."""
    try:
        _ask(repo, kind, lambda api: api.auth_check(repo, repo_type=kind), FEW)
    except Away:
        raise
    except InputError as error:
        return str(error)
    return "granted"


def cached(repo, kind, commit, name):
    """Path of a file in the hub's own cache, or None."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, name, revision=commit, repo_type=kind)
    return Path(found).resolve() if isinstance(found, str) else None


def download(file, path, pauses=PAUSES):
    """Bring `file` to `path`, whole and checked, from the hub's own cache or from the hub.

    What a killed or failed transfer left goes on from where it stopped. A transfer that breaks, and
    a hub that is busy, are tried again after each of `pauses` (s). Raises `InputError` for what
    stays refused, for a wrong size or hash, and for a full disk.
    """
    path = Path(path)
    part = path.with_name(f".part-{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    here = cached(file.repo, file.kind, file.commit, file.name)
    if here is not None and _digest(here, file) == file.digest:
        path.unlink(missing_ok=True)
        path.symlink_to(here)
        return
    log.info("%s of %s, %.1f MB", file.name, file.repo, file.size / 1e6)
    for fresh in (False, True):
        if fresh or (part.exists() and part.stat().st_size > file.size):
            part.unlink(missing_ok=True)
        resumed = part.exists()
        _transfer(file, part, pauses)
        if _digest(part, file) == file.digest:
            part.replace(path)
            return
        if not resumed:
            break
    part.unlink()
    raise InputError(
        f"{path}: what the hub sent for {file.name} of {file.repo} has another hash than the hub "
        "says; run again, and report it to the hub if it stays so."
    )


def _transfer(file, part, pauses):
    """Append to `part` what is missing of `file`."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(
        file.repo, file.name, repo_type=file.kind, revision=file.commit, endpoint=endpoint()
    )

    missing = file.size - (part.stat().st_size if part.exists() else 0)
    if missing > (free := shutil.disk_usage(part.parent).free):
        raise InputError(
            f"{part.parent}: {file.name} needs {missing / 1e9:.1f} GB more, but only "
            f"{free / 1e9:.1f} GB are free; make room and run again."
        )

    def get(_):
        with part.open("ab") as stream:
            http_get(
                url,
                stream,
                resume_size=stream.tell(),
                headers=build_hf_headers(),
                expected_size=file.size,
            )

    try:
        _ask(file.repo, file.kind, get, pauses)
    except OSError as error:
        raise InputError(
            f"{part.parent}: can't be written to ({error.strerror or error}); make room or mend "
            "its permissions, and run again."
        ) from None


def _digest(path, file):
    """Digest of the file at `path`, of the kind that `file.digest` is."""
    with path.open("rb") as stream:
        if len(file.digest) == 64:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        blob = stream.read()
    return hashlib.sha1(b"blob %d\0" % len(blob) + blob, usedforsecurity=False).hexdigest()


def _ask(repo, kind, question, pauses=PAUSES):
    """Answer of `question(api)`, asked again after each of `pauses` while the hub is busy or away.

    Raises `InputError` with a sentence for each way that the hub refuses, `Away` where it can't be
    asked.
    """
    import httpx2
    from huggingface_hub import HfApi, get_session, get_token
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from huggingface_hub.utils import logging as hub_logging

    if not TOKEN.fullmatch(get_token() or "none"):
        raise Away(
            "HF_TOKEN, or the token that `hf auth login` saved, holds a sign that no token has, "
            "such as a quote or a space; copy it again."
        )
    if _limit not in (hooks := get_session().event_hooks["request"]):
        hooks.append(_limit)

    # requests' addresses may be signed
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    hub_logging.set_verbosity_error()
    api = HfApi(endpoint=endpoint())
    for pause in (*pauses, None):
        try:
            with _sentences(repo, kind):
                return question(api)
        except HfHubHTTPError as error:
            reason = f"answers {error.response.status_code}"
        except httpx2.TransportError as error:
            reason = f"can't be reached ({type(error).__name__})"
        except OfflineModeIsEnabled:
            raise Away(
                f"{endpoint()} may not be asked while HF_HUB_OFFLINE is set, but not all files are "
                "here; unset it to fetch them."
            ) from None
        except OSError as error:
            if "Consistency check failed" not in str(error):
                raise
            reason = "closed the connection too early"
        if pause is not None:
            log.info("%s %s; next try in %s s", endpoint(), reason, pause)
            time.sleep(pause)
    raise Away(
        f"{endpoint()} {reason}, {len(pauses) + 1} times; check the network (and HF_ENDPOINT, if "
        "set) or wait, and run again: downloads go on from where they stopped."
    )


def _limit(request):
    """Let a request end: the client waits for ever for a hub that takes it and never answers."""
    from httpx2 import Timeout
    from huggingface_hub.constants import HF_HUB_DOWNLOAD_TIMEOUT

    request.extensions["timeout"] = Timeout(HF_HUB_DOWNLOAD_TIMEOUT).as_dict()


@contextmanager
def _sentences(repo, kind):
    """Turn what the hub refuses for good into an `InputError`; what may pass goes through."""
    from huggingface_hub import errors, get_token

    try:
        yield
    except errors.GatedRepoError:
        if get_token() is None:
            raise InputError(
                f"{repo} is gated and there is no token: accept its terms at {page(repo, kind)}, "
                "then run `hf auth login` or set HF_TOKEN."
            ) from None
        raise InputError(
            f"{repo} is gated and your token's account has no access to it: accept its terms at "
            f"{page(repo, kind)}, wait for the grant if it needs one, and run again."
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(f"{repo} has no such revision; correct 'revision'.") from None
    except errors.EntryNotFoundError:
        raise InputError(f"{repo} has no such file at this revision; correct 'revision'.") from None
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"{repo} is not on {endpoint()}, or is private and your token may not see it; check "
            "the name, and run `hf auth login` or set HF_TOKEN."
        ) from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in TRANSIENT:
            raise
        if status in (401, 403):
            raise InputError(
                f"{repo}: the hub refuses your token ({status}); renew it with `hf auth login` or "
                "in HF_TOKEN, with the right to read gated repositories."
            ) from None
        raise InputError(f"{repo}: the hub answers {status}; check 'revision'.") from None
