# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test can have writes meet with, and what goes on beside one that waits. Needs --bare
--region-idle."""

import signal

from errno import *
from common import *


class Writer:
    """A process of its own that does one write and tells its errno."""

    def __init__(self, path, value):
        self.pipe, end = os.pipe()
        signal.signal(signal.SIGUSR1, lambda *_: None)
        self.pid = os.fork()
        if self.pid == 0:
            os.write(end, b"%d\n" % errno_of(write, path, value))
            os._exit(0)
        os.close(end)

    def over(self, timeout):
        return bool(select.select([self.pipe], [], [], timeout)[0])

    def errno(self, timeout=10):
        """What came of it: None when it was killed before it was told."""
        require(self.over(timeout), "the writer still waits")
        text = os.read(self.pipe, 16)
        os.waitpid(self.pid, 0)
        os.close(self.pipe)
        return int(text) if text else None

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)


def size_of_new(size=2 * MIB):
    return os.path.realpath(device(create(), "size")), size


@clean_test
def the_nth_write_fails():
    name = create()
    sim.fail(ENOSPC, path="*/size", nth=2)
    equal([errno_of(resize, name, n * 2 * MIB) for n in (1, 2, 3)], [0, ENOSPC, 0], "errnos")
    sim.fail(EIO, path="*/size", nth=1, times=2)
    equal([errno_of(resize, name, n * 2 * MIB) for n in (1, 2, 4)], [EIO, EIO, 0], "errnos")
    sim.fail(EIO, value="0", times=0)
    equal([errno_of(resize, name, n * 2 * MIB) for n in (0, 0, 1, 0)], [EIO, EIO, 0, EIO], "errnos")
    equal(device_size(name), 2 * MIB, "size")


@clean_test
def a_fault_without_a_path_counts_all_writes():
    fault = sim.fail(EINTR, nth=3)
    name = create()
    equal([errno_of(resize, name, n * 2 * MIB) for n in (1, 2, 3)], [0, EINTR, 0], "errnos")
    sim.clear(fault)


@clean_test
def success_may_be_without_effect_and_effect_without_success():
    name = create()
    sim.skip(path=f"*/{name}/size")
    resize(name, 2 * MIB)
    equal(device_size(name), 0, "size")
    sim.fail_after(EINTR, path=f"*/{name}/size")
    equal(errno_of(resize, name, 4 * MIB), EINTR, "errno")
    equal(device_size(name), 4 * MIB, "size")
    for size, half in ((12 * MIB, 8 * MIB), (2 * MIB, 4 * MIB), (4 * MIB, 4 * MIB)):
        sim.fail_partly(ENOMEM, path=f"*/{name}/size")
        equal(errno_of(resize, name, size), ENOMEM, "errno")
        equal(device_size(name), half, f"size, halfway to {size}")


@clean_test
def several_faults_are_there_at_once():
    name = create(2 * MIB)
    first = sim.fail(EIO, path="*/size", times=0)
    sim.fail(ENODEV, path="*/bind")
    equal((errno_of(resize, name, 0), errno_of(bind, "device_dax", name)), (EIO, ENODEV), "errnos")
    sim.clear(first)
    resize(name, 4 * MIB)
    sim.fail(EIO, path="*/size", times=0)
    sim.clear()
    resize(name, 6 * MIB)


@clean_test
def writes_are_noted():
    before = sim.count()
    name = create()
    sim.fail(EIO, path="*/size")
    errno_of(resize, name, 2 * MIB)
    made, failed = sim.writes(before)
    equal((made.number, made.path, made.value, made.errno, made.effect),
          (before + 1, "/sys/devices/platform/hmem.0/dax_region/create", "1", 0, True), "the first")
    equal((failed.path, failed.value, failed.errno, failed.effect, failed.pid),
          (f"/sys/devices/platform/hmem.0/{name}/size", str(2 * MIB), EIO, False, os.getpid()),
          "the second")


@clean_test
def somebody_acts_while_a_write_is_stopped():
    path, size = size_of_new()
    with sim.stopped(path=path) as stop:
        writer = Writer(path, size)
        at = stop.wait()
        equal((at.pid, at.path, at.value, at.after), (writer.pid, path, str(size), False),
              "the stop")
        resize("dax0.0", 4 * MIB)
        equal(read(path), "0", "size while its write is stopped")
        stop.release(at)
        equal(writer.errno(), 0, "errno")
    equal(device_ranges("dax0.1"), [(FIRST.start + 4 * MIB, size)], "ranges")


@clean_test
def others_write_to_an_attribute_where_a_write_is_stopped():
    path = f"{os.path.realpath(REGION)}/create"
    open_before = os.open(path, os.O_RDWR)
    with sim.stopped(path=path) as stop:
        writer = Writer(path, 1)
        at = stop.wait()
        equal(create(), "dax0.1", "by who opens it")
        write_once(open_before, b"1")
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
        write_once(fd, b"1")
        os.close(fd)
        equal((os.pread(open_before, 32, 0), read(path)), (b"dax0.3\n", "dax0.3"), "the youngest")
        stop.release(at)
        equal(writer.errno(), 0, "errno")
    equal(read(path), "dax0.4", "the youngest")
    os.close(open_before)


@clean_test
def a_device_goes_while_its_write_is_stopped():
    path, size = size_of_new()
    with sim.stopped(path=path) as stop:
        writer = Writer(path, size)
        at = stop.wait()
        delete("dax0.1")
        stop.release(at)
        equal(writer.errno(), ENODEV, "errno")


@clean_test
def a_stopped_write_gets_what_the_test_wants():
    path, size = size_of_new()
    with sim.stopped(path=path, times=2) as stop:
        for wish, errno in (({"errno": ENOSPC}, ENOSPC), ({"skip": True}, 0)):
            writer = Writer(path, size)
            stop.release(stop.wait(), **wish)
            equal(writer.errno(), errno, f"errno for {wish}")
    equal(read(path), "0", "size")


@clean_test
def who_is_killed_before_a_write_does_not_write():
    path, size = size_of_new()
    with sim.stopped(path=path) as stop:
        writer = Writer(path, size)
        stop.wait()
        writer.kill()
        equal(writer.errno(), None, "what it told")
    equal(read(path), "0", "size")


@clean_test
def who_is_killed_after_a_write_has_written():
    path, size = size_of_new()
    with sim.stopped(after=True, path=path) as stop:
        writer = Writer(path, size)
        equal(stop.wait().after, True, "after")
        equal(read(path), str(size), "size at the stop")
        writer.kill(signal.SIGTERM)
        equal(writer.errno(), None, "what it told")
    equal(read(path), str(size), "size")


@clean_test
def signals_end_what_they_may_end():
    path, size = size_of_new()
    with sim.stopped(path=path, signal="any") as stop:
        writer = Writer(path, size)
        stop.wait()
        writer.kill(signal.SIGUSR1)
        equal(writer.errno(), EINTR, "errno")

    with sim.stopped(path=path) as stop:
        writer = Writer(path, size)
        at = stop.wait()
        writer.kill(signal.SIGUSR1)
        require(not writer.over(0.1), "a signal that does not kill has ended a killable wait")
        writer.kill()
        equal(writer.errno(), None, "what it told")
    equal(read(path), "0", "size")


@clean_test
def nothing_ends_what_hangs_in_the_kernel():
    path, size = size_of_new()
    other = create(4 * MIB)
    with sim.stopped(path=path, signal="none") as stop:
        writer = Writer(path, size)
        at = stop.wait()
        writer.kill()
        require(not writer.over(0.1), "it was killed")
        # Nobody else is held up.
        equal(read(path), "0", "size")
        bind("device_dax", other)
        resize(create(), 2 * MIB)
        stop.release(at)
        equal(writer.errno(), None, "what it told")
    equal(read(path), str(size), "size")


@clean_test
def many_writes_may_hang():
    names = [create() for _ in range(40)]
    with sim.stopped(path="*/size", times=0) as stop:
        writers = [Writer(device(name, "size"), 2 * MIB) for name in names]
        stops = [stop.wait() for _ in writers]
        equal(len({at.pid for at in stops}), len(writers), "writers that have stopped")
        equal(read(device(names[0], "size")), "0", "what can be read beside")
    equal([writer.errno() for writer in writers], [0] * len(writers), "errnos")


# --- memory -----------------------------------------------------------------------------------

START = FIRST.start // BLOCK


def online_block():
    name = create(BLOCK)
    to_kmem(name)
    set_state(START, "online_movable")
    return name


@clean_test
def a_block_cannot_go_offline():
    online_block()
    sim.block(START, offline_errno=EBUSY)
    equal(errno_of(set_state, START, "offline"), EBUSY, "errno")
    equal(state_of(START), "online", "state")
    sim.calm()
    set_state(START, "offline")
    sim.block(START, online_errno=ENOMEM)
    equal(errno_of(set_state, START, "online"), ENOMEM, "errno")


@clean_test
def a_signal_ends_offlining():
    online_block()
    path = f"{MEMORY}/memory{START}/state"
    sim.block(START, pinned=True)
    writer = Writer(path, "offline")
    wait_until(lambda: state_of(START) == "going-offline", 60, "offlining to begin")
    writer.kill(signal.SIGUSR1)
    equal(writer.errno(), EINTR, "errno")
    equal(state_of(START), "online", "state")

    writer = Writer(path, "offline")
    wait_until(lambda: state_of(START) == "going-offline", 60, "offlining to begin")
    sim.calm()
    equal(writer.errno(), 0, "errno once the pages can be moved")
    equal(state_of(START), "offline", "state")


@clean_test
def memory_waits_for_memory_and_for_nothing_else():
    online_block()
    other = create(BLOCK)
    path = f"{MEMORY}/memory{START}/state"
    sim.block(START, pinned=True)
    slow = Writer(path, "offline")
    wait_until(lambda: state_of(START) == "going-offline", 60, "offlining to begin")

    new_id("kmem", "dax0.77")
    waiting = Writer(f"{DRIVERS}/kmem/new_id", other)
    require(not waiting.over(0.1), "it did not wait for the lock")
    # Not a signal, not a kill: this kind of waiting knows neither.
    waiting.kill(signal.SIGUSR1)
    mapping = Writer(f"{DRIVERS}/device_dax/bind", create(2 * MIB))
    require(not mapping.over(0.1), "device_dax did not wait for the lock")
    mapping.kill(signal.SIGUSR1)
    # What needs no memory goes on.
    create(2 * MIB)
    resizing = Writer(device(other, "size"), 0)
    equal(resizing.over(10 if KERNEL == "6.12" else 0.1), KERNEL == "6.12",
          "whether who resizes it knows at once")

    sim.calm()
    equal(slow.errno(), 0, "errno of offlining")
    equal((waiting.errno(), mapping.errno()), (0, 0), "errnos of those who waited")
    equal(resizing.errno(), EBUSY, "errno of who resized it")
    equal(driver(other), "kmem", "driver")


@clean_test
def offlining_takes_time():
    online_block()
    sim.block(START, seconds=0.2)
    begin = time.monotonic()
    set_state(START, "offline")
    require(time.monotonic() - begin >= 0.2, "it did not take its time")


main()
