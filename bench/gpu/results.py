"""results.json: what a run has found so far, rewritten whole after every finding.

A section is a list of rows with a "name" and a "status". A row is written as "running" before its work begins, so that
whatever stops the process (a fault on the device, a hang, the end of the time) leaves a trace of what it was doing.
"""
import json
import math
import os
import tempfile
from pathlib import Path

FORMAT = 1
ROW_STATUS = ("running", "ok", "wrong", "failed", "crashed", "timeout", "skipped", "measured")
PHASE_STATUS = ("running", "done", "cut", "failed", "skipped")


def plain(value):
    """JSON has no NaN and no infinities: they become text."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def write_atomically(path, data):
    """The file is the old one or the new one, never half of it."""
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        if os.path.exists(name):
            os.unlink(name)
        raise


class Results:
    def __init__(self, path):
        self.path = Path(path)
        self.data = json.loads(self.path.read_text()) if self.path.exists() else {"format": FORMAT, "phases": {}}

    def save(self):
        write_atomically(self.path, (json.dumps(plain(self.data), indent=1) + "\n").encode())

    def set(self, **fields):
        self.data.update(fields)
        self.save()

    def set_phase(self, name, **fields):
        self.data["phases"].setdefault(name, {}).update(fields)
        self.save()

    def rows(self, section):
        return self.data.setdefault(section, [])

    def find(self, section, name):
        return next((row for row in self.rows(section) if row["name"] == name), None)

    def begin(self, section, name, **fields):
        """False if the row is there already: another process did it, or died of it."""
        if self.find(section, name) is not None:
            return False
        self.rows(section).append({"name": name, "status": "running", **fields})
        self.save()
        return True

    def end(self, section, name, status, **fields):
        assert status in ROW_STATUS
        row = self.find(section, name)
        row.update(status=status, **fields)
        self.save()
        return row

    def close_running(self, status, reason):
        """Rows that a dead process left open; their names."""
        names = []
        for rows in self.data.values():
            if isinstance(rows, list):
                for row in rows:
                    if isinstance(row, dict) and row.get("status") == "running":
                        row.update(status=status, reason=reason)
                        names.append(row["name"])
        if names:
            self.save()
        return names
