"""Builds the operators: C by the C compiler, their registration by the C++ compiler, one library.

The instructions are named, not taken from this machine: what is built here loads anywhere, and
`foolrate_cpu_kernels.processor` says at import whether it may run there. OpenMP's functions are
left to the library that torch has loaded: two of them in a process would fight for the cores.
"""

import os
import sysconfig
from pathlib import Path

import torch
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

TORCH = Path(torch.__file__).parent
# Not -ffast-math: it lets the order of a sum depend on where an array lies in memory, and makes the
# whole process flush denormals to zero.
C_FLAGS = [
    *("-O3", "-march=x86-64-v4", "-mavx512bf16", "-mavx512vnni", "-mprefer-vector-width=512"),
    *("-fopenmp", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-Wall"),
]
CPP_FLAGS = ["-O2", "-std=c++17", "-fPIC", "-DTORCH_TARGET_VERSION=0x020a000000000000"]
INCLUDE = [str(TORCH / "include")]


class BuildOperators(build_ext):
    """One shared library, not a Python module: `torch.ops.load_library` loads it."""

    def get_ext_filename(self, fullname: str) -> str:
        return fullname.replace(".", os.sep) + ".so"

    def build_extension(self, ext: Extension) -> None:
        c = [source for source in ext.sources if source.endswith(".c")]
        cpp = [source for source in ext.sources if source.endswith(".cpp")]
        compiler, folder = self.compiler, self.build_temp
        # distutils compiles C++ by the C compiler: the same program, where it is GCC.
        compiler.set_executable("compiler_so_cxx", [os.environ.get("CXX", "c++")])
        compiler.set_executable("compiler_so", [os.environ.get("CC", "cc")])
        compiler.set_executable("linker_so_cxx", [os.environ.get("CXX", "c++"), "-shared"])
        made = compiler.compile(c, folder, extra_postargs=C_FLAGS, depends=ext.depends)
        made += compiler.compile(
            cpp, folder, include_dirs=INCLUDE, extra_postargs=CPP_FLAGS, depends=ext.depends
        )
        compiler.link_shared_object(
            made,
            self.get_ext_fullpath(ext.name),
            libraries=["torch_cpu"],
            library_dirs=[str(TORCH / "lib")],
            target_lang="c++",
        )


def sources(*patterns: str) -> list[str]:
    return [path.as_posix() for pattern in patterns for path in sorted(Path("csrc").glob(pattern))]


if sysconfig.get_platform() != "linux-x86_64":
    raise SystemExit("foolrate-cpu-kernels is for Linux on x86-64 only")
setup(
    ext_modules=[
        Extension(
            "foolrate_cpu_kernels._operators", sources("*.c", "*.cpp"), depends=sources("*.h")
        )
    ],
    cmdclass={"build_ext": BuildOperators},
)
