"""Machine code of the pricing kernels: compiled by numba once per machine and code version, then loaded without numba.

Importing numba and reviving a function from its own cache takes 0.4 s in each new process; loading an object file with
llvmlite, which numba brings, takes 0.03 s. The file's name holds a digest of the kernels' sources, the versions and
the processor, so a change of any of them compiles again, and an outdated file is never used.

It lies in `$NUMBA_CACHE_DIR` if that is set, else in `__pycache__` beside this file, else (a read-only installation) in
the user's cache folder (`$XDG_CACHE_HOME` or `~/.cache`); where none can be written, each process compiles for itself.
The formulas are in `kernels` and `parity`.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 256
"""Rows a kernel works on at a time: its scratch columns then stay in the processor's second-level cache."""
SCRATCH = BLOCK * 17
"""Values of scratch memory a kernel needs."""

SIGNATURES = {
    "price": "ddddd?d",
    "greeks": "ddddd?dddddd",
    "implied": "ddddd?ddbd",
    "legs": "d?ddd?ddddqdbddbddddbd",
    "parity": "qdddddddddddbidd",
}
"""Type of each column a kernel takes after the number of rows, by numpy's letters."""

_log = logging.getLogger(__name__)

# What numba's wrappers call to report a Python exception. Kernels raise none, so these stay unused.
_ERROR_REPORTING = (
    "NRT_Free",
    "numba_do_raise",
    "numba_gil_ensure",
    "numba_gil_release",
    "numba_runtime_build_excinfo_struct",
    "numba_unpickle",
)


def run(kernel: str, rows: int, *columns: NDArray[Any]) -> None:
    """Run a kernel over columns.

    Parameters
    ----------
    kernel : str
        Name in `SIGNATURES`.
    rows : int
        Number of rows (of chains for `parity`).
    *columns : ndarray
        Contiguous, one per letter of the signature; outputs are written in place.

    Raises
    ------
    TypeError
        If a column has another type than the kernel reads.
    """
    letters = SIGNATURES[kernel]
    if "".join(column.dtype.char for column in columns) != letters.replace("q", np.dtype(np.int64).char):
        raise TypeError(f"{kernel}: columns are {[str(column.dtype) for column in columns]}, expected '{letters}'")
    if not all(column.flags.c_contiguous for column in columns):
        raise TypeError(f"{kernel}: every column must be contiguous")
    _functions()[kernel](rows, *(column.ctypes.data for column in columns))


def prepare() -> None:
    """Compile now, if needed, what the first pricing of a new installation would wait about ten seconds for."""
    _functions()


@functools.cache
def _functions() -> dict[str, Callable[..., None]]:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, jit=True
    )
    name = f"g6-pricing-{_digest(llvm)}.o"
    for folder in _folders():
        if (folder / name).is_file():
            try:
                return _link(llvm, target, (folder / name).read_bytes())
            except RuntimeError as error:
                _log.warning("pricing: %s cannot be linked (%s); compiling afresh", folder / name, error)
    return _compile(llvm, target, name)


def _link(llvm: Any, target: Any, machine_code: bytes) -> dict[str, Callable[..., None]]:
    unused = ctypes.cast(ctypes.pythonapi.Py_FatalError, ctypes.c_void_p).value
    builder = llvm.JITLibraryBuilder().add_object_img(machine_code).add_current_process()
    for symbol in _ERROR_REPORTING:
        builder.import_symbol(symbol, unused)
    for kernel in SIGNATURES:
        builder.export_symbol(_symbol(kernel))
    linker = llvm.create_lljit_compiler(target, suppress_errors=True)  # they are raised, so need not be printed too
    library = builder.link(linker, "g6_pricing")
    return {kernel: _callable(kernel, library[_symbol(kernel)], (linker, library)) for kernel in SIGNATURES}


def _compile(llvm: Any, target: Any, name: str) -> dict[str, Callable[..., None]]:
    from g6_market.pricing import kernels, parity

    compiled = kernels.compiled() | parity.compiled()
    program = llvm.parse_assembly("")
    for kernel, function in compiled.items():
        module = llvm.parse_assembly(function.inspect_llvm())
        module.get_function(function.native_name).name = _symbol(kernel)
        program.link_in(module)
    _store(name, target.emit_object(program))
    return {kernel: _callable(kernel, function.address, function) for kernel, function in compiled.items()}


def _callable(kernel: str, address: int, owner: Any) -> Callable[..., None]:
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * len(SIGNATURES[kernel]))
    function: Any = prototype(address)
    function.owner = owner  # the machine code is freed with its library
    return function


def _symbol(kernel: str) -> str:
    return f"g6_{kernel}"


def _store(name: str, machine_code: bytes) -> None:
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                file.write(machine_code)
            Path(file.name).replace(folder / name)
        except OSError as error:
            _log.debug("pricing: %s is not writable (%s)", folder, error)
        else:
            return
    _log.warning("pricing: no folder to keep compiled code in; set NUMBA_CACHE_DIR to a writable one")


def _folders() -> Iterator[Path]:
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen)
        return
    yield Path(__file__).parent / "__pycache__"
    user = os.environ.get("XDG_CACHE_HOME")
    try:
        yield (Path(user) if user else Path.home() / ".cache") / "g6"
    except RuntimeError as error:  # a service account without a home
        _log.debug("pricing: no user cache folder (%s)", error)


def _digest(llvm: Any) -> str:
    here = Path(__file__).parent
    sources = [
        (here / f"{module}.py").read_bytes()
        for module in ("arithmetic", "blocks", "kernels", "native", "parity", "reasons", "solver")
    ]
    machine = [platform.machine(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    versions = [version("numba"), version("llvmlite"), platform.python_version()]
    return hashlib.sha256(b"\0".join([*sources, *(part.encode() for part in machine + versions)])).hexdigest()[:16]
