from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.errors import UsageError
from reid_edge.watch.configuration import Configuration, Mqtt, Webhook, changed, read_configuration, reconfigured


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "watch.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_says_everything_and_its_paths_start_at_its_folder(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        folders = ["cards/a", "/media/b"]
        gallery = "catalogue.sqlite"
        out = "out"
        settle_seconds = "2s"
        rescan_seconds = "5 min"
        event_seconds = 90
        keep_bytes = "1.5 GB"
        backup_every = "12h"
        http = 9464
        enrol_new = "never"

        [webhook]
        url = "https://example.org/hook"
        headers = { Authorization = "Bearer secret" }

        [mqtt]
        url = "mqtt://ranger:secret@broker"
        topic = "park/{camera}"
        """,
    )
    read = read_configuration(path, {})
    assert read.folders == (tmp_path / "cards/a", Path("/media/b"))
    assert (read.gallery, read.out) == (tmp_path / "catalogue.sqlite", tmp_path / "out")
    assert (read.settle_seconds, read.rescan_seconds, read.event_seconds, read.backup_every) == (2.0, 300.0, 90.0, 43200.0)
    assert (read.keep_bytes, read.http, read.enrol_new) == (1_500_000_000, "127.0.0.1:9464", "never")
    assert read.webhook == Webhook("https://example.org/hook", {"Authorization": "Bearer secret"})
    assert read.mqtt == Mqtt("mqtt://ranger:secret@broker", "park/{camera}")
    assert "secret" not in repr(read)


def test_the_command_line_wins_over_the_file_and_starts_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, 'folders = ["a"]\nsettle_seconds = 5\nwebhook = "http://one/"')
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    read = read_configuration(path, {"folders": [Path("b")], "webhook": "http://two/", "settle_seconds": "1s"})
    assert read.folders == (here / "b",)
    assert read.webhook == Webhook("http://two/")
    assert read.settle_seconds == 1.0
    assert read.gallery == here / "gallery.sqlite"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('folders = ["a"]\nsetle_seconds = 2', "the nearest known one is 'settle_seconds'"),
        (
            'folders = ["a"]\nsettle_seconds = "soon"',
            "settle_seconds must be a time from 0 s to 366 days, such as 2, '2s', '5min' or '1h', not 'soon'",
        ),
        ('folders = ["a"]\nsettle_seconds = -1', "a time from 0 s"),
        ('folders = ["a"]\nrescan_seconds = nan', "not nan"),
        ('folders = ["a"]\nmove = 1', "true or false"),
        ('folders = ["a"]\nenrol_new = "maybe"', "one of 'ask', 'auto', 'never'"),
        ('folders = ["a"]\nthreads = 0', "threads must be an integer from 1 to 1024, not 0"),
        ('folders = ["a"]\nhttp = "99999"', "a port"),
        ('folders = ["a"]\nwebhook = "ftp://x"', "http:// or https://"),
        ('folders = ["a"]\n[webhook]\nurl = "http://x"\ntimout_seconds = 3', "the nearest known one is 'timeout_seconds'"),
        ('folders = ["a"]\n[mqtt]\nurl = "mqtt://x"\ntopic = "a/#"', "a topic without + and #"),
        ('folders = ["a"]\n[mqtt]\nurl = "mqtt://x"\ntopic = "{animal}"', "{camera}, {kind} and {sink}"),
        ("folders = []", "There is no folder to watch"),
        ("folders = [3]", "a path"),
        ("folders = [", "is not TOML"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_configuration(written(tmp_path, text), {})
    assert said in refused.value.message
    assert refused.value.hint


def test_a_secret_that_is_wrong_is_not_repeated(tmp_path: Path) -> None:
    for key, value in (
        ("mqtt", "amqp://u:hunter2@x"),
        ("webhook", {"url": "http://x", "headers": {"Authorization": "hunter2\n"}}),
        ("webhook", {"uri": "http://u:hunter2@x"}),
    ):
        with pytest.raises(UsageError) as refused:
            read_configuration(None, {"folders": ["a"], key: value})
        assert "hunter2" not in refused.value.message


def test_a_file_that_is_not_there_or_no_text_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_configuration(tmp_path / "none.toml", {})
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_configuration(tmp_path / "bytes.toml", {})


def test_reading_again_takes_what_may_change_and_names_what_may_not(tmp_path: Path) -> None:
    path = written(tmp_path, 'folders = ["a"]\nsettle_seconds = 2\npack = "field"')
    running = read_configuration(path, {"out": tmp_path / "o"})
    written(tmp_path, 'folders = ["a"]\nsettle_seconds = 9\npack = "other"\nmqtt = "mqtt://broker"')
    fresh, fixed = reconfigured(running, path, {"out": tmp_path / "o"})
    assert fixed == ["pack"]
    assert fresh == replace(running, settle_seconds=9.0, mqtt=Mqtt("mqtt://broker"))
    assert changed(running, fresh) == ["settle_seconds", "mqtt"]


@given(
    st.dictionaries(
        st.sampled_from([*Configuration.__dataclass_fields__, "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=6,
    )
)
def test_no_value_at_all_brings_more_than_an_error_that_says_so(values: dict[str, Any]) -> None:
    try:
        read_configuration(None, values)
    except UsageError as error:
        said = (error.message, error.hint)
    else:
        return
    assert all(said)
