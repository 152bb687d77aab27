"""Weights from a model hub: one file of one repository, fetched and kept by huggingface_hub where its own settings say.

Its settings are the user's: HF_ENDPOINT for a mirror, HF_TOKEN for gated weights, HF_HOME for the cache, HF_HUB_OFFLINE=1 to stay with
what is in the cache.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from reid_edge.errors import UsageError

_ADDRESS = re.compile(r"hub:(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?(/(?P<file>[\w./-]+))?")
# Under which names a repository keeps the weights of its network, the safest format first.
_USUAL_FILES = ("model.safetensors", "pytorch_model.bin", "open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def fetch_from_hub(address: str) -> Path:
    """The file that `address` names, in huggingface_hub's cache; fetched first where it is not there yet.

    Args:
        address: ``hub:OWNER/NAME``, with ``@REVISION`` and ``/FILE`` where wanted. Without a file, the first of the usual names that
            the repository has.

    Raises:
        UsageError: no such address, repository, revision or file, no connection, terms on the hub not agreed to, or huggingface_hub is
            not installed.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise _malformed(address)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from huggingface_hub import errors, hf_hub_download
    except ModuleNotFoundError as error:
        raise UsageError(
            "Weights from the hub need huggingface_hub, which is not installed.",
            "pip install huggingface_hub, or fetch the file and name it with --weights.",
        ) from error
    repository, revision = match["repository"], match["revision"]
    for file in (match["file"],) if match["file"] else _USUAL_FILES:
        try:
            return Path(hf_hub_download(repository, file, revision=revision))
        except errors.EntryNotFoundError as error:
            if isinstance(error, errors.LocalEntryNotFoundError):  # no connection, and it is not in the cache
                raise _unreachable(address) from error
        except errors.GatedRepoError as error:
            raise UsageError(
                f"{address}: the hub gives these weights only to those who agreed to their terms.",
                f"Agree on the page of {repository} and set HF_TOKEN, or name a local file with --weights.",
            ) from error
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
            raise UsageError(
                f"{address}: the hub has no such repository or revision, or it is private.", "Check the name, or set HF_TOKEN."
            ) from error
        except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, OSError) as error:
            raise _unreachable(address) from error
        except ValueError as error:  # what the client does not take for a name
            raise _malformed(address) from error
    raise UsageError(
        f"{address}: the repository has no file {match['file'] or ' or '.join(_USUAL_FILES)}.",
        "Name its file: hub:OWNER/NAME/FILE.",
    )


def _malformed(address: str) -> UsageError:
    return UsageError(
        f"{address!r} is not an address on the hub.", "Write hub:OWNER/NAME, hub:OWNER/NAME/FILE or hub:OWNER/NAME@REVISION/FILE."
    )


def _unreachable(address: str) -> UsageError:
    return UsageError(
        f"{address}: cannot be fetched.", "Connect to the hub, or fetch the file elsewhere and name it with --weights."
    )
