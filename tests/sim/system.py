# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs of a system with daxd, as far as they are needed: the bus, what stands in for
systemd's socket for workers, and daxd itself, each as its unit would run it.

tests/sim/run has all this running, but with --bare. Tests that kill and restart use --bare and

    system = System()
    system.start()
    system.kill_daxd()
    system.start_daxd()
"""

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

RUN = "/run/daxsim"
BUS_SOCKET = "/run/dbus/system_bus_socket"
WORKER_SOCKET = "/run/daxd/worker"
WORKER_CAPABILITIES = ("chown", "fowner", "dac_read_search", "sys_ptrace", "sys_admin")
# What the worker's environment has besides, for builds with sanitizers.
PASSED_ON = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")

# Words before a program. What it finds goes to the program's log.
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite", "--child-silent-after-fork=yes"]


def bind(path, kind, mode, user=None):
    """A socket at a path, whatever is there now."""
    if os.path.exists(path):
        os.unlink(path)
    bound = socket.socket(socket.AF_UNIX, kind)
    bound.bind(path)
    if user:
        owner = pwd.getpwnam(user)
        os.chown(path, owner.pw_uid, owner.pw_gid)
    os.chmod(path, mode)
    return bound


def listen(path, kind, mode, user=None):
    listener = bind(path, kind, mode, user)
    listener.listen(128)
    return listener


def said(name):
    """What a program has said so far."""
    with open(f"{RUN}/{name}.log", encoding="utf-8", errors="replace") as log:
        return log.read()


class Notify:
    """What a program tells systemd by sd_notify(3), and the descriptors that it has kept for who
    comes after. It is heard all the time, as systemd does: who tells waits for an ear."""

    def __init__(self, name):
        self.path = f"{RUN}/{name}.notify"
        self.socket = bind(self.path, socket.SOCK_DGRAM, 0o666)
        self.words, self.kept = [], {}
        self.heard = threading.Condition()
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            text, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
            if not text:
                return
            lines = text.decode().split("\n")
            with self.heard:
                self.words += lines
                name = "".join(line[7:] for line in lines if line.startswith("FDNAME="))
                if "FDSTORE=1" in lines:
                    self.kept.setdefault(name, []).extend(fds)
                if "FDSTOREREMOVE=1" in lines:
                    for fd in self.kept.pop(name, ()):
                        os.close(fd)
                self.heard.notify_all()

    def count(self, word):
        with self.heard:
            return self.words.count(word)

    def wait_word(self, word, count, timeout, is_alive=lambda: True):
        """Until it was said so often since begin(). Returns whether it was: not, where nobody is
        alive who could."""
        deadline = time.monotonic() + timeout
        with self.heard:
            while self.words.count(word) < count:
                if time.monotonic() > deadline or not is_alive():
                    return False
                self.heard.wait(0.05)
        return True

    def wait_ready(self, process, timeout, what):
        """Waits for READY=1. The process dying is an error at once."""
        if self.wait_word("READY=1", 1, timeout, lambda: process.poll() is None):
            return
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with status {process.returncode}\n{said(what)}")
        raise TimeoutError(f"{what} is not ready after {timeout} s\n{said(what)}")

    def hear(self):
        """Until all is heard that was said."""
        count = self.count("HEARD") + 1
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
            ours.sendto(b"HEARD", self.path)
        self.wait_word("HEARD", count, 60)

    def begin(self):
        """For the next process."""
        self.hear()
        with self.heard:
            self.words.clear()

    def positions(self):
        """How far what is kept has been read."""
        self.hear()
        with self.heard:
            return {name: [os.lseek(fd, 0, os.SEEK_CUR) for fd in fds]
                    for name, fds in sorted(self.kept.items())}

    def forget(self):
        """What was kept, as when the service is stopped."""
        self.begin()
        for fd in sum(self.kept.values(), []):
            os.close(fd)
        self.kept.clear()

    def close(self):
        self.forget()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
        os.unlink(self.path)


def start(name, command, **options):
    """Starts a program whose messages go to a file. ^C at a terminal is not for it."""
    with open(f"{RUN}/{name}.log", "ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                cwd="/", start_new_session=True, **options)


def start_with_fds(name, fds, command, **options):
    """Starts a program with descriptors {name: [fd]}, as systemd gives them; see sd_listen_fds(3)."""
    names = [one for one in fds for _ in fds[one]]
    if not names:
        return start(name, command, **options)
    # none of them is where another one is to come
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3 + 2 * len(names))
            for fd in sum(fds.values(), [])]
    words = "".join(f"exec {place}<&{fd} {fd}<&-; " for place, fd in enumerate(high, 3)) + \
        f'LISTEN_PID=$$ LISTEN_FDS={len(names)} LISTEN_FDNAMES={":".join(names)} exec "$@"'
    process = start(name, ["bash", "-c", words, name, *command], pass_fds=high, **options)
    for fd in high:
        os.close(fd)
    return process


def start_with_socket(name, listener, command, **options):
    process = start_with_fds(name, {"socket": [listener.fileno()]}, command, **options)
    listener.close()
    return process


def restricted(capabilities=(), user=None):
    """The words that run a program with no more than these."""
    words = ["setpriv", "--no-new-privs",
             "--bounding-set", ",".join(["-all", *(f"+{name}" for name in capabilities)])]
    if user:
        words += [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return words


class Journal:
    """Takes what programs that talk to nobody but the journal have to say. A process of its own:
    who writes to a full socket waits."""

    SOCKET = "/run/systemd/journal/socket"

    def __init__(self):
        os.makedirs(os.path.dirname(self.SOCKET), exist_ok=True)
        listener = bind(self.SOCKET, socket.SOCK_DGRAM, 0o666)
        self.process = start("journal", [sys.executable, "-c", "import socket\n"
                                         f"s = socket.socket(fileno={listener.fileno()})\n"
                                         "while True: print(s.recv(65536), flush=True)"],
                             pass_fds=[listener.fileno()])
        listener.close()

    def stop(self):
        self.process.kill()
        self.process.wait()


class System:
    def __init__(self, bus=None):
        self.bus_program = bus or os.environ.get("DAXSIM_BUS", "dbus-daemon")
        self.bus = self.journal = self.workers = self.daxd = self.notify = None

    def start(self):
        self.start_bus()
        self.start_workers()
        self.start_daxd()
        self.wait_layouts()

    def stop(self):
        self.stop_daxd()
        if self.workers:
            self.workers.kill()
            self.workers.wait()
            self.workers = None
        self.stop_bus()

    def start_bus(self):
        os.makedirs("/run/dbus", exist_ok=True)
        if self.bus_program == "dbus-broker":
            self.start_broker()
        else:
            self.start_dbus_daemon()

    def stop_bus(self):
        if self.bus:
            self.bus.terminate()
            self.bus.wait()
            self.bus = None
        if self.journal:
            self.journal.stop()
            self.journal = None

    def start_broker(self):
        """It gets its socket from systemd, and talks to nobody without a journal."""
        self.journal = Journal()
        self.bus = start_with_socket("bus", listen(BUS_SOCKET, socket.SOCK_STREAM, 0o666),
                                     ["dbus-broker-launch", "--scope", "system"])

    def start_dbus_daemon(self):
        ours, theirs = os.pipe()
        self.bus = start("bus", ["dbus-daemon", "--system", "--nofork", "--nopidfile",
                                 f"--print-address={theirs}"], pass_fds=[theirs])
        os.close(theirs)
        with os.fdopen(ours) as address:
            if not address.readline():
                raise RuntimeError(f"there is no bus\n{said('bus')}")

    def start_workers(self, wrapper=()):
        """daxd-worker.socket: one process for each connection. `wrapper`: words before each."""
        words = ["systemd-socket-activate", "--seqpacket", "--accept", "--inetd"]
        words += [f"--setenv={name}" for name in PASSED_ON if name in os.environ]
        listener = listen(WORKER_SOCKET, socket.SOCK_SEQPACKET, 0o600, "daxd")
        self.workers = start_with_socket("worker", listener,
                                         [*words, *restricted(WORKER_CAPABILITIES), *wrapper,
                                          "/usr/libexec/daxd-worker"], umask=0o022)

    def start_daxd(self, wait=True, timeout=60, wrapper=(), env=None):
        """daxd.service. `wrapper`: words before daxd's, as ["valgrind"]."""
        user = pwd.getpwnam("daxd")
        for folder in ("/var/lib/daxd", "/var/lib/daxd/layouts"):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            os.chown(folder, user.pw_uid, user.pw_gid)
        if not self.notify:
            self.notify = Notify("daxd")
        self.notify.begin()
        environment = {**os.environ, **(env or {}), "NOTIFY_SOCKET": self.notify.path,
                       "SYSTEMD_DEVICE_VERIFY_SYSFS": "0"}
        self.daxd = start_with_fds("daxd", self.notify.kept,
                                   [*restricted(user="daxd"), *wrapper, "/usr/libexec/daxd"],
                                   env=environment, umask=0o077)
        if wait:
            self.notify.wait_ready(self.daxd, timeout, "daxd")
            if self.bus:
                self.wait_name(timeout)

    @staticmethod
    def wait_name(timeout):
        """Where there is systemd, the bus lets those who call wait for the name: it can come a moment
        later than daxd is ready."""
        deadline = time.monotonic() + timeout
        while "true" not in subprocess.run(
                ["busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                 "org.freedesktop.DBus", "NameHasOwner", "s", "org.daxd1"],
                check=False, capture_output=True, text=True).stdout:
            if time.monotonic() > deadline:
                raise TimeoutError(f"daxd is not on the bus after {timeout} s\n{said('daxd')}")

    @staticmethod
    def wait_layouts():
        """daxd-layouts.service: waits until every layout has been tried."""
        subprocess.run([*restricted(user="daxd"), "/usr/libexec/daxd", "--wait-layouts=120"],
                       check=True, cwd="/")

    def stop_daxd(self, timeout=60):
        """As systemd would: it ends in order."""
        if self.daxd:
            self.daxd.terminate()
            self.daxd.wait(timeout)
            self.daxd = None
            self.notify.forget()

    def kill_daxd(self):
        """Without a chance to do anything. Its workers go by themselves."""
        self.daxd.send_signal(signal.SIGKILL)
        self.daxd.wait()
        self.daxd = None

    def reboot(self, control, reversed_ids=False):
        """Ends everything, clears /run/daxd, lets the kernel's side of it happen, and starts again.
        Processes that are stuck in a write are let go."""
        self.kill_daxd()
        self.notify.forget()
        control.clear()
        self.stop()
        for name in os.listdir("/run/daxd"):
            path = f"/run/daxd/{name}"
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        control.reboot(reversed_ids)
        subprocess.run(["systemd-tmpfiles", "--create", "daxd.conf"], check=True)
        self.start()
