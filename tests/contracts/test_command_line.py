"""The command line as a newcomer meets it: fast help, runnable examples, one line for a mistake."""

from __future__ import annotations

import ast
import contextlib
import subprocess
import sys
from pathlib import Path

import click
import pytest
from contracts.commands_page import PAGE, commands, page

import manage
from benchmarks.cli import BENCHMARKS, MODULES

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ("click.option", "parser.add_argument")
HEAVY = ("torch", "flask", "pandas", "numpy", "pydantic", "sqlalchemy", "matplotlib")


def in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py as a user would."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, manage; manage.run(['--help']); "
        f"sys.exit(' '.join(m for m in {HEAVY!r} if m in sys.modules) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stderr.strip() == ""
    assert result.returncode == 0


@pytest.mark.parametrize(("path", "command"), [pytest.param(*c, id=c[0]) for c in commands()])
def test_every_command_explains_itself(path: str, command: click.Command) -> None:
    assert command.help, path
    if not isinstance(command, click.Group):
        assert "python manage.py" in command.help, f"{path} --help shows no runnable example"


@pytest.mark.parametrize(("path", "command"), [pytest.param(*c, id=c[0]) for c in commands()])
def test_every_option_explains_itself_in_a_sentence(path: str, command: click.Command) -> None:
    for option in command.params:
        if isinstance(option, click.Option):
            said = (option.help or "").removesuffix("]").partition("[default:")[0].strip()
            assert said.endswith("."), f"{path} {option.opts[0]}: {option.help!r}"


def test_the_benchmarks_options_have_help_too() -> None:
    """Benchmarks load what they measure, so their options are read from the source."""
    for path in sorted((ROOT / "benchmarks").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in OPTIONS:
                said = {keyword.arg for keyword in node.keywords}
                assert "help" in said, f"{path.name}: {ast.unparse(node)}"


@pytest.mark.parametrize("name", ["study", "install", "sampling", "metrics", "metrics device"])
def test_a_benchmark_shows_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):  # argparse's end
        manage.run(["bench", *name.split(), "--help"])
    said = capsys.readouterr().out
    assert said.lower().startswith(f"usage: manage.py bench {name}"), said


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_benchmark_is_called_alike(name: str) -> None:
    path = ROOT / Path(*MODULES.get(name, f"benchmarks.{name}").split("."))
    tree = ast.parse(path.with_suffix(".py").read_text())
    (main,) = (node for node in tree.body if getattr(node, "name", "") == "main")
    assert isinstance(main, ast.FunctionDef)
    assert not main.decorator_list
    assert len(main.args.args) == 1


def test_examples_can_be_pasted_line_by_line() -> None:
    for path, command in commands():
        _, _, examples = (command.help or "").replace("\b\n", "").partition("Example:")
        assert "Example:" not in examples, f"{path} says Example twice"
        following = False
        for line in examples.strip().splitlines():
            begins = line.strip().startswith(("python manage.py", "torchrun "))
            assert begins != following, f"{path}: {line.strip()} follows a line without a backslash"
            following = line.endswith("\\")
        assert not following, path


def test_the_commands_page_is_the_commands_own_help() -> None:
    assert PAGE.read_text() == page(), "run: python tests/contracts/commands_page.py"


def test_an_unknown_command_names_the_closest() -> None:
    result = in_a_process("metrisc")
    assert result.returncode == 2
    assert "did you mean 'metrics'?" in result.stderr
    assert "Traceback" not in result.stderr


MISTAKES = {
    "generate nowhere.toml": "nowhere.toml: no such file",
    "metrics compute nowhere": "nowhere: no such folder, expected a run or a folder of images",
    "metrics compute generators/photos/crops --reference nowhere.npz": "nowhere.npz: no such file",
    "metrics compute generators/photos/crops --metrics psmr": "no metric 'psmr', did you mean psnr",
    "metrics add nowhere --csv README.md": "README.md: the columns are",
    "metrics statistics nowhere out.npz": "nowhere: no such folder",
    "metrics cas nowhere.toml -o nowhere": "nowhere.toml: no such file, expected a TOML configurat",
    "train nowhere.toml": "nowhere.toml: no such file, expected a TOML configuration",
    "train runs": "runs: is a folder, expected a TOML configuration",
    "schedule search nowhere.toml": "nowhere.toml: no such file, expected a TOML configuration",
    "paper --faces nowhere": "nowhere: no such file or folder, expected a folder or zip of face ph",
    "paper --classes nowhere": "nowhere: no such file or folder, expected a folder or zip with tra",
    "paper --photos-judgments nowhere": "nowhere: holds no judgments.csv, expected a study's expo",
    "paper -o README.md": "Directory 'README.md' is a file",
    "dataset import generators/photos/crops README.md": "Directory 'README.md' is a file",
}


def test_a_mistake_is_one_line_and_exit_1_before_torch_is_loaded() -> None:
    code = (
        f"import sys, manage; lines = {list(MISTAKES)!r}; "
        "codes = [manage.run(line.split()) for line in lines]; "
        "sys.exit(repr(codes) if set(codes) != {1} or 'torch' in sys.modules else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for line, words in zip(result.stderr.splitlines(), MISTAKES.values(), strict=True):
        assert line.startswith("error: ")
        assert words in line


def test_a_cut_file_is_no_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut() -> None:
        raise EOFError("marshal data too short")

    command = click.Command("demo", callback=cut)
    monkeypatch.setattr(manage.Commands, "get_command", lambda *_: command)
    with pytest.raises(EOFError, match="too short"):
        manage.run(["demo"])


@pytest.mark.parametrize(
    ("words", "after"),
    [
        (["metrics", "compute", "outputs", "-o", ""], "-o"),
        (["metrics", "compute", "outputs", "--reference="], "--reference"),
        (["generate", ""], "generate"),
        ([""], "manage.py"),
    ],
)
def test_an_empty_word_is_not_the_current_folder(
    words: list[str], after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a shell gives one for a variable that is not set: `-o "$OUT"`."""
    assert manage.run(words) == 2
    assert f"an empty word after {after}, expected a value" in capsys.readouterr().err


def test_a_tilde_is_the_home_folder_in_every_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells say so where it begins a word; behind `=` only some do."""
    monkeypatch.setenv("HOME", "/home/me")
    seen: list[tuple[str, ...]] = []
    taken = click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)
    command = click.Command("demo", params=[taken], callback=lambda *, words: seen.append(words))
    monkeypatch.setattr(manage.Commands, "get_command", lambda *_: command)
    words = ["~/runs", "--output=~/x", "sr3=~", "~", "~me/x", "a~/b", "x=a~/b"]
    assert manage.run(["demo", "--", *words]) == 0
    home = ["/home/me/runs", "--output=/home/me/x", "sr3=/home/me", "/home/me"]
    assert seen == [(*home, "~me/x", "a~/b", "x=a~/b")]
