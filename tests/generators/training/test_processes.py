"""Several processes: which device each takes, which examples it draws, what all are told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from generators.diffusion.noise import Draws
from generators.errors import ConfigError
from generators.training import processes
from generators.training.processes import Workers, device_of, workers

ROOT = Path(__file__).parents[3]


def torchrun(rank: int, count: int) -> dict[str, str]:
    """Return what torchrun tells the process of this rank, on one machine."""
    return {"WORLD_SIZE": str(count), "RANK": str(rank), "LOCAL_RANK": str(rank)}


@pytest.fixture
def eight_cards(monkeypatch):
    """Pretend that torch finds eight cards."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)


def test_each_process_takes_its_own_card(eight_cards):
    assert [device_of("cuda", torchrun(rank, 8)) for rank in range(8)] == [
        f"cuda:{rank}" for rank in range(8)
    ]
    # The second machine of two: ranks go on, its cards begin anew.
    assert device_of("cuda", torchrun(3, 16) | {"RANK": "11"}) == "cuda:3"


def test_one_process_and_the_cpu_are_left_as_asked(eight_cards):
    assert device_of("cuda:5", {}) == "cuda:5"
    assert device_of("cuda", torchrun(0, 1)) == "cuda"
    assert device_of("cpu", torchrun(3, 4)) == "cpu"


@pytest.mark.parametrize(
    ("name", "rank", "count", "message"),
    [
        ("cuda", 8, 9, "torch finds 8 cards on this machine, and process 9 needs one of its own"),
        ("cuda:0", 0, 2, "--device cuda:0: 2 processes need --device cuda or cpu"),
        ("mps", 0, 2, "--device mps: 2 processes need --device cuda or cpu"),
    ],
)
def test_processes_that_would_meet_on_a_card_are_refused(eight_cards, name, rank, count, message):
    with pytest.raises(ConfigError, match=message):
        device_of(name, torchrun(rank, count))


def test_the_card_is_set_before_the_processes_meet(eight_cards, monkeypatch):
    """A fake CUDA: what is asked of torch, in its order."""
    asked = []
    monkeypatch.setattr(os, "environ", os.environ | torchrun(5, 8))
    monkeypatch.setattr(processes, "usable", torch.device)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: asked.append(("card", device)))
    monkeypatch.setattr(os, "environ", os.environ | {"MASTER_ADDR": "a", "MASTER_PORT": "1"})
    group = torch.distributed
    monkeypatch.setattr(group, "init_process_group", lambda kind: asked.append(("group", kind)))
    monkeypatch.setattr(group, "get_rank", lambda: 5)
    monkeypatch.setattr(group, "get_world_size", lambda: 8)
    monkeypatch.setattr(group, "destroy_process_group", lambda: asked.append(("end", "")))
    with workers("cuda") as among:
        assert among == Workers(5, 8, torch.device("cuda:5"))
    assert asked == [("card", torch.device("cuda:5")), ("group", "nccl"), ("end", "")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', expected a whole number of 1 or more"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is '0', expected"),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE is '', expected"),
        ({"WORLD_SIZE": "2"}, "is 2, but RANK, MASTER_ADDR, MASTER_PORT is not set; start several"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1"}, "but MASTER_PORT is not"),
        (
            {"WORLD_SIZE": "2", "RANK": "x", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"},
            "the processes cannot meet at 127.0.0.1:1",
        ),
    ],
)
def test_an_environment_that_is_not_torchruns_is_one_line(monkeypatch, settings, message):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message) as refused, workers("cpu"):
        raise AssertionError
    assert "\n" not in str(refused.value)


def test_cards_are_not_shared_where_no_place_is_told(eight_cards):
    with pytest.raises(ConfigError, match="WORLD_SIZE is 2, but LOCAL_RANK is not set"):
        device_of("cuda", {"WORLD_SIZE": "2", "RANK": "1"})


@pytest.mark.parametrize("count", [1, 2, 4])
def test_together_the_processes_draw_what_one_would(count):
    one = Draws(3, 17, range(8))
    whole = (one.below(1000), one.rand(2), one.randn(3, 4, 4))
    for rank in range(count):
        share = Workers(rank, count).share(8)
        mine = Draws(3, 17, share)
        parts = (mine.below(1000), mine.rand(2), mine.randn(3, 4, 4))
        for part, all_of_it in zip(parts, whole, strict=True):
            assert torch.equal(part, all_of_it[list(share)])


def test_draws_differ_between_examples_steps_and_seeds():
    made = [Draws(*key, range(2)).rand() for key in ((0, 0), (0, 1), (1, 0))]
    assert len(torch.cat(made).unique()) == 6


TOLD = """
import json, sys
import torch
from generators.errors import ConfigError
from generators.training.processes import workers

def refuse():
    raise ConfigError("of the first")

with workers("cpu") as among:
    number = among.from_first(lambda: 40 + among.rank)
    try:
        among.from_first(refuse)
    except ConfigError as error:
        told = str(error)
    rank = torch.tensor(float(among.rank))
    means, stop = among.agree({"loss": rank, "judge": 10 * rank}, among.rank == 1)
    line = [among.rank, number, told, float(means["loss"]), float(means["judge"]), stop]
    open(f"{sys.argv[1]}/{among.rank}.json", "w").write(json.dumps(line))
"""


@pytest.mark.integration
def test_all_processes_are_told_what_the_first_made_or_why_it_failed(tmp_path):
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    command = [sys.executable, "-c", TOLD, str(tmp_path)]
    both = [subprocess.Popen(command, env=settings | torchrun(rank, 2)) for rank in (0, 1)]
    assert [process.wait(120) for process in both] == [0, 0]
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found == [rank, 40, "of the first", 0.5, 5.0, True]
