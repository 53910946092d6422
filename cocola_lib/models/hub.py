"""Models by their name on the Hugging Face hub: `Scorer.from_pretrained("owner/model")`."""

import re
from pathlib import Path

from cocola_lib.models.formats import CONFIG, WEIGHTS, locate

NAME = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w.-]+))?")  # owner/model, or owner/model@revision


def fetch(name: str | Path) -> Path:
    """Where a model lies: its folder or file here, else the hub's copy of it, which is downloaded once.

    Args:
        name: what `formats.locate` knows, or "owner/model" on the hub, with "@revision" to keep to one state of it.

    Raises:
        FileNotFoundError: neither here nor on the hub, or the hub cannot be reached; in one line.
    """
    path = locate(name)
    if path.exists() or not (found := NAME.fullmatch(str(name))):
        return path
    from huggingface_hub import snapshot_download  # half a second, for this door only
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(snapshot_download(found[1], revision=found[2], allow_patterns=[CONFIG, WEIGHTS]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise FileNotFoundError(f"{name}: no such folder here, and not had from the hub ({reason})") from None
