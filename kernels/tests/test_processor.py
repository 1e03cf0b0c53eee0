"""Which processors the operators are for, by the flags of published /proc/cpuinfo files."""

import pytest
from foolrate_cpu_kernels.processor import NEEDED, flags_of, lacking

ZEN4 = "fma avx2 bmi2 avx512f avx512dq avx512cd avx512bw avx512vl avx512_bf16 avx512_vnni"
CASES = {
    "Zen 4": (ZEN4, ""),
    "Cooper Lake": (ZEN4 + " mpx", ""),
    "Sapphire Rapids": (ZEN4 + " amx_bf16 amx_tile", "AMX"),
    "Ice Lake": (ZEN4.replace(" avx512_bf16", ""), "AVX512-BF16"),
    "Zen 3": ("fma avx2 bmi2", "AVX512-VNNI"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_processor_is_told_right(name: str) -> None:
    flags, reason = CASES[name]
    found = lacking(frozenset(flags.split()))
    assert bool(found) == bool(reason)
    assert reason in found


def test_the_flags_are_those_of_all_processors() -> None:
    text = f"processor : 0\nflags\t\t: {ZEN4}\n\nprocessor : 1\nflags\t\t: fma avx2\n"
    assert flags_of(text) == {"fma", "avx2"}
    assert flags_of("processor : 0\n") == frozenset()


def test_a_processor_without_any_of_the_instructions_is_refused() -> None:
    for flag in NEEDED:
        assert lacking(frozenset(NEEDED) - {flag})
