"""Completion in genuine shells on a terminal: what is typed, the key, and the words that the command then gets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lbclient.cli.completion import candidates, cursor, kept, words
from lbclient.cli.completion.command import SHELLS, script
from running import lbclient, wait_until
from teletype import Teletype

PROMPT = "READY>"
START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
SET_UP = {
    "bash": f"PS1='{PROMPT[:3]}''{PROMPT[3:]}'; bind 'set bell-style none' 'set enable-bracketed-paste off'; . ",
    "zsh": f"autoload -Uz compinit; compinit -D -u; PS1='{PROMPT[:3]}''{PROMPT[3:]}'; unsetopt beep; . ",
    "fish": f"function fish_prompt; echo -n '{PROMPT[:3]}''{PROMPT[3:]}'; end; . ",
}
# Completes in earnest; told anything else, it writes down what it was told.
PROGRAM = """#!{python}
import json, os, sys
if sys.argv[1:2] == ["__complete"]:
    from lbclient.cli.completion import answer
    answer.main(sys.argv[2:])
    os.close(1)
    open({folder!r} + "/completed", "a").write("x")
else:
    open({folder!r} + "/new", "w").write(json.dumps(sys.argv[1:]))
    os.replace({folder!r} + "/new", {folder!r} + "/told")
"""
Complete = Callable[..., "list[str]"]


@pytest.fixture(scope="module")
def names(cloud: Any) -> dict[str, str]:
    """A load balancer for each kind of odd name, and a pool with a member."""
    mark = uuid.uuid4().hex[:6]
    names = {
        "plain": f"a{mark}",
        "blanks": f"two{mark} words of it",
        "unicode": f"grüße{mark}-北京",
        "quotes": f'it\'s{mark} "q" $HOME `x` * !',
        "colon": f"c{mark}:d=e",
        "dashes": f"--dash{mark} name",
        "pool": f"pool {mark}",
        "member": f"the member{mark}",
    }

    def run(*arguments: str) -> None:
        done = subprocess.run(lbclient(*arguments), env=cloud.environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    for kind in ("plain", "blanks", "unicode", "quotes", "colon", "dashes"):
        run("loadbalancer", "create", f"--name={names[kind]}", "--vip-subnet-id", "private-subnet", "--wait")
    create = ("loadbalancer", "pool", "create", "--protocol", "HTTP", "--lb-algorithm", "ROUND_ROBIN", "--wait")
    run(*create, "--name", names["pool"], "--loadbalancer", names["plain"])
    create = ("loadbalancer", "member", "create", "--address", "127.0.0.9", "--protocol-port", "80", "--wait")
    run(*create, "--name", names["member"], names["pool"])
    return names


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cloud: Any) -> Iterator[Any]:
    """A shell that has read its script."""
    kind = request.param
    if not shutil.which(kind):
        assert kind != "bash"
        pytest.skip(f"{kind} is not installed here")
    folder = tmp_path_factory.mktemp(kind)
    program = folder / "bin" / "lbclient"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    (folder / "script").write_text(script(kind))
    paths = f"{program.parent}:{os.environ['PATH']}"
    python_paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**cloud.environment(), "PATH": paths, "PYTHONPATH": python_paths, "HOME": str(folder)}
    environment |= {"TERM": "xterm", "LC_ALL": "C.UTF-8", "fish_greeting": ""}
    terminal = Teletype(START[kind], environment, columns=200)
    terminal.type(f" {SET_UP[kind]}{folder}/script\r")
    terminal.wait_for(PROMPT)
    yield terminal, folder
    terminal.close()


@pytest.fixture
def complete(shell: tuple[Teletype, Path]) -> Complete:
    """Type a line, the tabulator and Return; the words that the command then gets."""
    terminal, folder = shell
    completed, told = folder / "completed", folder / "told"

    def complete(typed: str) -> list[str]:
        for path in (completed, told):
            path.unlink(missing_ok=True)
        terminal.type(f"{typed}\t")
        wait_until(lambda: terminal.read(0.02) and completed.exists(), 20)
        terminal.type("\r")  # it is read when the completion is done
        wait_until(lambda: terminal.read(0.02) and told.exists(), 20)
        words: list[str] = json.loads(told.read_text())
        return words

    return complete


def test_commands_and_options(complete: Complete) -> None:
    assert complete("lbclient loadb") == ["loadbalancer"]
    assert complete("lbclient loadbalancer mem") == ["loadbalancer", "member"]
    line = ["loadbalancer", "listener", "create"]
    assert complete(f"lbclient {' '.join(line)} --protocol-p") == [*line, "--protocol-port"]
    assert complete(f"lbclient {' '.join(line)} --protocol UD") == [*line, "--protocol", "UDP"]
    assert complete(f"lbclient {' '.join(line)} --protocol=UD") == [*line, "--protocol=UDP"]
    assert complete(f"lbclient {' '.join(line)} --insert-headers X-Forwarded-Fo") == [
        *line,
        "--insert-headers",
        "X-Forwarded-For=",
    ]
    assert complete("lbclient loadbalancer list -f js") == ["loadbalancer", "list", "-f", "json"]
    assert complete("lbclient help loadbalancer memb") == ["help", "loadbalancer", "member"]


def test_names(complete: Complete, names: dict[str, str]) -> None:
    show = ["loadbalancer", "show"]
    mark = names["plain"][1:]
    for kind in ("plain", "blanks", "unicode", "colon"):
        assert complete(f"lbclient loadbalancer show {names[kind].partition(mark)[0]}{mark}") == [*show, names[kind]]
    assert complete(f"lbclient loadbalancer show it\\'s{mark}") == [*show, names["quotes"]]
    assert complete(f"lbclient loadbalancer show -- --dash{mark}") == [*show, "--", names["dashes"]]


def test_names_within_open_quotes(complete: Complete, names: dict[str, str]) -> None:
    mark = names["plain"][1:]
    for quote in "'\"":
        assert complete(f"lbclient loadbalancer show {quote}two{mark} wor") == ["loadbalancer", "show", names["blanks"]]
    line = f"lbclient loadbalancer show \"it's{mark}"
    assert complete(line) == ["loadbalancer", "show", names["quotes"]]


def test_names_behind_blanks(complete: Complete, names: dict[str, str]) -> None:
    mark = names["plain"][1:]
    assert complete(f"lbclient loadbalancer show two{mark}\\ wo") == ["loadbalancer", "show", names["blanks"]]


def test_names_inside_of_what_the_line_names(complete: Complete, names: dict[str, str]) -> None:
    line = ["loadbalancer", "member", "show", names["pool"]]
    assert complete(f"lbclient loadbalancer member show '{names['pool']}' ") == [*line, names["member"]]
    line = ["loadbalancer", "member", "set", "--weight", "0", names["pool"]]
    typed = f"lbclient loadbalancer member set --weight 0 '{names['pool']}' the"
    assert complete(typed) == [*line, names["member"]]
    options = ["loadbalancer", "listener", "list", "--loadbalancer", names["plain"]]
    assert complete(f"lbclient loadbalancer listener list --loadbalancer {names['plain']}") == options


def test_files(complete: Complete, shell: tuple[Teletype, Path]) -> None:
    (shell[1] / "a file.log").touch()
    typed = f"lbclient --log-file {shell[1]}/a\\ fi"
    assert complete(typed) == ["--log-file", f"{shell[1]}/a file.log"]


def test_a_cloud_that_is_not_there_leaves_the_line_alone(complete: Complete, shell: tuple[Teletype, Path]) -> None:
    line = "--os-cloud nowhere loadbalancer show xyz"
    before = len(shell[0].text)
    assert complete(f"lbclient {line}") == line.split()
    assert "No cloud" not in shell[0].text[before:]


def asked(cloud: Any, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**cloud.environment(), **variables}
    return subprocess.run(lbclient("__complete", *arguments), env=environment, capture_output=True, text=True)


def test_a_name_that_begins_with_a_dash_is_an_id_where_it_would_be_an_option(cloud: Any, names: dict[str, str]) -> None:
    done = asked(cloud, "zsh", "loadbalancer", "show", "")
    assert not [line for line in done.stdout.splitlines() if line.startswith("--")]
    (line,) = [line for line in done.stdout.splitlines() if names["dashes"] in line]
    assert uuid.UUID(line.partition("\t")[0])
    assert names["dashes"] in asked(cloud, "zsh", "loadbalancer", "listener", "list", "--loadbalancer=").stdout


@pytest.mark.parametrize("auth_url", ["http://127.0.0.1:9", "http://[", "nonsense", "http://203.0.113.1:81"])
def test_whatever_is_wrong_nothing_is_said_and_it_ends_soon(cloud: Any, auth_url: str) -> None:
    start = time.monotonic()
    done = asked(cloud, "bash", "lbclient loadbalancer show ", OS_CLOUD="", OS_AUTH_URL=auth_url, OS_PASSWORD="x",
                 OS_USERNAME="x", OS_PROJECT_NAME="x")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ":whole\n"
    assert time.monotonic() - start < 12


@pytest.mark.parametrize("line", [[], ["bash"], ["fish"], ["zsh"], ["bash", "lbclient 'x"], ["csh", "x"]])
def test_nonsense_is_no_error(cloud: Any, line: list[str]) -> None:
    done = asked(cloud, *line)
    assert (done.returncode, done.stderr) == (0, "")


def test_commands_options_and_choices_need_no_http(cloud: Any) -> None:
    program = "import sys; from lbclient.cli.shell import main; main(sys.argv[1:]); print(*sys.modules)"
    for line in ("lbclient loadbalancer mem", "lbclient loadbalancer listener create --protocol ") * 2:
        command = [sys.executable, "-c", program, "__complete", "bash", line]
        done = subprocess.run(command, env=cloud.environment(), capture_output=True, text=True, check=True)
        assert not {"requests", "keystoneauth1", "yaml", "http.client"} & set(done.stdout.split())


def test_an_option_that_can_be_repeated_is_offered_again() -> None:
    place = cursor.find(["loadbalancer", "create", "--tag", "a", "--name", "b", "--"])
    offered = {each.word for each in candidates.at(place).candidates}
    assert "--tag" in offered
    assert not {"--name", "--no-tag"} & offered


KEPT_WORDS = (
    ["loadbalancer", "m"],
    ["loadbalancer", "listener", "create", "--protocol", ""],
    ["loadbalancer", "listener", "create", "--"],
    ["loadbalancer", "pool", "create", "--session-persistence", "type="],
    ["loadbalancer", "list", "-c", ""],
    ["help", "loadbalancer", ""],
    ["--log-file", ""],
    ["--os-"],
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LBCLIENT_CACHE_HOME", str(tmp_path))
    return tmp_path / "lbclient" / "completion"


def offered(words: list[str]) -> tuple[bool, list[tuple[str, str, bool]]]:
    answer = candidates.at(cursor.find(words))
    return answer.wants_files, [(each.word, each.meaning, each.is_whole) for each in answer.candidates]


@pytest.mark.parametrize("line", KEPT_WORDS, ids=" ".join)
def test_what_is_kept_offers_the_same(cache: Path, line: list[str]) -> None:
    made = offered(line)
    assert made != (False, [])
    assert list(cache.iterdir())
    assert offered(line) == made


def test_what_is_kept_is_read_without_cliff_and_argparse(cache: Path) -> None:
    program = "import sys; from lbclient.cli.shell import main; main(sys.argv[1:]); print(*sys.modules)"
    command = [sys.executable, "-S", "-c", program, "__complete", "bash", "lbclient loadbalancer list --col"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    made, kept = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    )
    assert "cliff" in made
    assert kept[:2] == made[:2] == [":whole", "--column"]
    assert not {"cliff", "argparse", "typing", "re", "json", "dataclasses"} & set(kept)


@pytest.mark.parametrize("damage", ["", "no fingerprint\n", "{first}\nnonsense\n", "{first}\n\xff\n"])
def test_what_is_kept_of_other_modules_or_damaged_is_made_again(cache: Path, damage: str) -> None:
    line = ["loadbalancer", "list", "--col"]
    made = offered(line)
    (file,) = cache.glob("loadbalancer list")
    first = file.read_text().split("\n")[0]
    file.write_bytes(damage.format(first=first).encode("latin-1"))
    assert offered(line) == made
    assert file.read_text().split("\n")[0] == first
    assert "--column" in file.read_text()


def test_what_others_may_write_is_not_read(cache: Path) -> None:
    line = ["loadbalancer", "list", "--col"]
    made = offered(line)
    (file,) = cache.glob("loadbalancer list")
    file.write_text(file.read_text().replace("--column", "--colour"))
    assert [word for word, _, _ in offered(line)[1]] == ["--colour"]
    file.chmod(0o622)
    assert offered(line) == made


def test_words_are_completed_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LBCLIENT_CACHE_HOME", "/dev/null")
    assert [word for word, _, _ in offered(["loadbalancer", "list", "--col"])[1]] == ["--column"]


def test_a_changed_module_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in kept.SOURCES:
        (tmp_path / name / "inner").mkdir(parents=True)
    module = tmp_path / "cli" / "inner" / "module.py"
    module.touch()
    monkeypatch.setattr(kept, "PACKAGE", str(tmp_path))
    before = kept._fingerprint()
    assert kept._fingerprint() == before
    os.utime(module, (time.time() + 60, time.time() + 60))
    assert kept._fingerprint() != before


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(run_main: Any, shell: str) -> None:
    result = run_main("complete", shell)
    assert (result.status, result.out) == (0, script(shell))


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("", words.Line(("",))),
        ("lbclient ", words.Line(("lbclient", ""))),
        ("lbclient a\\ b", words.Line(("lbclient", "a b"))),
        ("lbclient 'a b' \"c", words.Line(("lbclient", "a b", "c"), '"', 0)),
        ("lbclient --name='a b", words.Line(("lbclient", "--name=a b"), "'", 7)),
        ("lbclient --name=a", words.Line(("lbclient", "--name=a"), "", 7)),
        ("lbclient a\\:b", words.Line(("lbclient", "a:b"), "", 0)),
        ('lbclient "a\\"\\b', words.Line(("lbclient", 'a"\\b'), '"', 0)),
        ("lbclient '' ", words.Line(("lbclient", "", ""))),
    ],
)
def test_a_line_of_bash(line: str, read: words.Line) -> None:
    assert vars(words.read(line)) == vars(read)


@pytest.mark.parametrize("word", ["a b", "it's", '"', "$x `y` \\ !", "~", "#", "*?[", "ü北", "a\tb", "&|;<>()"])
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_what_is_quoted_is_one_word_for_bash(word: str, quote: str) -> None:
    line = f"printf %s {quote}{words.quoted(word, quote)}{quote}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == word
