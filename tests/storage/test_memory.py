"""Free memory as the system reports it, refusal before work, and what to say after a failure."""

import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.errors import ConfigError, MemoryLimitError
from ipvae_snn.storage import memory

GIB = 2**30


def system(root: Path, files: dict[str, str]) -> Path:
    """Write the files of a system's report."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = {"proc/meminfo": f"MemTotal: 99999999 kB\nMemAvailable: {8 * GIB // 1024} kB\n"}


def test_the_system_has_what_is_available(tmp_path: Path) -> None:
    assert memory.free(system(tmp_path, MEMINFO)) == 8 * GIB
    assert memory.free(tmp_path / "nothing") is None


def test_a_container_of_version_2_has_less(tmp_path: Path) -> None:
    """Every group upwards counts; a cache of files can be given up."""
    groups = {
        "proc/self/cgroup": "0::/user/job\n",
        "sys/fs/cgroup/user/memory.max": f"{3 * GIB}\n",
        "sys/fs/cgroup/user/memory.current": f"{2 * GIB}\n",
        "sys/fs/cgroup/user/memory.stat": f"anon 5\ninactive_file {GIB // 2}\n",
        "sys/fs/cgroup/user/job/memory.max": "max\n",
        "sys/fs/cgroup/user/job/memory.current": "5\n",
    }
    assert memory.free(system(tmp_path, MEMINFO | groups)) == GIB + GIB // 2
    system(tmp_path, {"sys/fs/cgroup/user/job/memory.max": f"{GIB}\n"})
    assert memory.free(tmp_path) == GIB - 5
    system(tmp_path, {"sys/fs/cgroup/user/job/memory.current": f"{2 * GIB}\n"})
    assert memory.free(tmp_path) == 0


def test_a_container_of_version_1_has_less(tmp_path: Path) -> None:
    groups = {
        "proc/self/cgroup": "5:cpu:/elsewhere\n4:memory:/job\n0::/\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{2 * GIB}\n",
        "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{GIB}\n",
        "sys/fs/cgroup/memory/job/memory.stat": f"total_inactive_file {GIB // 4}\n",
    }
    assert memory.free(system(tmp_path, MEMINFO | groups)) == GIB + GIB // 4
    # Inside a container its own group may be seen as the root.
    system(tmp_path, {"proc/self/cgroup": "4:memory:/not/seen/here\n"})
    system(tmp_path, {"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}\n"})
    system(tmp_path, {"sys/fs/cgroup/memory/memory.usage_in_bytes": "7\n"})
    assert memory.free(tmp_path) == GIB - 7


def test_a_limit_of_address_space_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4 * GIB, resource.RLIM_INFINITY))
    used = 1000 * resource.getpagesize()
    system(tmp_path, MEMINFO | {"proc/self/statm": "1000 10 5 1 0 50 0\n"})
    assert memory.free(tmp_path) == 4 * GIB - used


def test_this_machine_reports_something() -> None:
    result = memory.free()
    assert result is not None
    assert 0 < result < 2**50


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("500M", 500 * 2**20),
        ("1.5 GiB", 3 * GIB // 2),
        ("2gb", 2 * GIB),
        (" 1T ", 1024 * GIB),
        ("0", 0),
        ("off", None),
    ],
)
def test_a_size_may_be_set(text: str, size: int | None) -> None:
    assert memory.allowed(text) == size


@pytest.mark.parametrize("text", ["much", "-1", "1e9", "5 X", "1,5G", "nan", "٣"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        memory.allowed(text)
    assert str(caught.value) == (
        f"IPVAE_SNN_MEMORY is {text!r}; set it to bytes, to a size as 16G, or to off"
    )


@given(limit=st.integers(0, 2**60), needed=st.integers(0, 2**60))
def test_more_than_the_limit_is_refused_and_nothing_else(limit: int, needed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(memory.VARIABLE, str(limit))
        if needed <= limit:
            memory.require(needed, "images", "give fewer")
            return
        with pytest.raises(MemoryLimitError) as caught:
            memory.require(needed, "images", "give fewer")
    assert str(caught.value) == (
        f"images: needs {memory.shown(needed)} of memory, but {memory.shown(limit)} is allowed; "
        "give fewer, or set IPVAE_SNN_MEMORY (as 16G, or off)"
    )


def test_what_is_free_is_the_limit_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(memory.VARIABLE, raising=False)
    monkeypatch.setattr(memory, "free", lambda: 5 * GIB)
    memory.require(5 * GIB, "images", "give fewer")
    with pytest.raises(MemoryLimitError) as caught:
        memory.require(10 * GIB, "images", "give fewer")
    assert str(caught.value) == (
        "images: needs 10 GiB of memory, but 5 GiB is free; give fewer, or set IPVAE_SNN_MEMORY "
        "(as 16G, or off)"
    )
    monkeypatch.setenv(memory.VARIABLE, "off")
    memory.require(2**70, "images", "give fewer")
    monkeypatch.delenv(memory.VARIABLE)
    monkeypatch.setattr(memory, "free", lambda: None)  # a system that does not say
    memory.require(2**70, "images", "give fewer")


def test_small_work_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise AssertionError("the system was asked")

    monkeypatch.delenv(memory.VARIABLE, raising=False)
    monkeypatch.setattr(memory, "free", fail)
    memory.require(memory.SMALL - 1, "images", "give fewer")
    with pytest.raises(AssertionError):
        memory.require(memory.SMALL, "images", "give fewer")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "0.977 KiB"), (3 * GIB // 2, "1.5 GiB"), (2**53, "8 PiB")],
)
def test_sizes_have_three_digits(size: int, text: str) -> None:
    assert memory.shown(size) == text


def test_what_means_out_of_memory_is_recognised() -> None:
    with pytest.raises(MemoryError) as numpy_s:
        np.empty(2**60, np.uint8)
    torch_s = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
    cuda_s = RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
    for error in (numpy_s.value, torch_s, cuda_s, MemoryError()):
        message = memory.allocation_failure(error)
        assert message is not None
        assert message.startswith("out of memory")
        assert "give fewer images (--limit) or steps (--steps)" in message
        assert "\n" not in message
    for other in (RuntimeError("shape mismatch"), ValueError("no"), RecursionError("too deep")):
        assert memory.allocation_failure(other) is None
