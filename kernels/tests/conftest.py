"""The operators' tests are left out where they cannot run, and say why."""

import pytest

try:
    from foolrate_cpu_kernels import why_not
except ImportError:
    collect_ignore_glob = ["test_*.py"]

    def why_not() -> str:
        """Return why the operators are not tested."""
        return "foolrate-cpu-kernels is not installed"


def pytest_report_header() -> str:
    """Say at the top what becomes of the operators' tests."""
    return f"kernels: {why_not() or 'tested'}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the compiled operators where they are not for this processor."""
    folder = __file__.rpartition("/")[0]
    for item in items:
        if item.path.is_relative_to(folder) and "processor" not in item.path.name and why_not():
            item.add_marker(pytest.mark.skip(reason=f"not for this processor: {why_not()}"))
