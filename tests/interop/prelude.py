# SPDX-License-Identifier: MIT
# What nbdsh is told before each of the tests here: tests as sentences, and
# handles that let the server judge what is wrong, not libnbd.
import errno, os, subprocess, traceback

MIB = 1 << 20
uri = os.environ["uri"]


def test(sentence):
    def run(function):
        try:
            function()
            print("ok -", sentence, flush=True)
        except BaseException:
            print("not ok -", sentence)
            print("# " + traceback.format_exc().replace("\n", "\n# "),
                  flush=True)
    return run


def handle():
    h = nbd.NBD()
    h.set_strict_mode(0)
    return h


def connect(to=uri):
    h = handle()
    h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    h.connect_uri(to)
    return h


def fails(name, function, *arguments):
    """The call fails with this error."""
    try:
        function(*arguments)
    except nbd.Error as error:
        assert error.errno == name, f"{error.errno}: {error.string}"
    else:
        raise AssertionError(f"nothing failed; {name} was expected")


def vbdctl(*words):
    socket = os.environ["state_dir"] + "/control"
    return subprocess.run(["vbdctl", "--socket", socket, *words],
                          stdout=subprocess.DEVNULL).returncode == 0
