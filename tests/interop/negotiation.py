# SPDX-License-Identifier: MIT
# Before the first request: names, options, what is agreed on; and the end.


def negotiate(structured=True):
    h = handle()
    h.set_opt_mode(True)
    h.set_request_structured_replies(structured)
    h.connect_uri(uri)
    assert h.aio_is_negotiating()
    return h


@test("an export that is not there is refused, and the next may be right")
def _():
    h = negotiate()
    for name in "nonesuch", "x" * 4096, "../../disk":
        h.set_export_name(name)
        fails("ENOENT", h.opt_info)
        fails("ENOENT", h.opt_go)
    h.set_export_name("")
    h.opt_info()
    size = h.get_size()
    h.opt_go()
    assert h.aio_is_ready() and h.get_size() == size
    h.pread(512, 0)


@test("whoever asks for one without options is hung up on")
def _():
    for flags in 0, nbd.HANDSHAKE_FLAG_FIXED_NEWSTYLE:
        h = handle()
        h.set_handshake_flags(flags)
        try:
            h.connect_uri(uri.replace(":///", ":///nonesuch"))
        except nbd.Error:
            pass
        assert not h.aio_is_ready()


@test("there is one export, and it has a description")
def _():
    h = negotiate()
    exports = []
    assert h.opt_list(lambda *export: exports.append(export)) == 1
    assert exports == [("", "a disk served by vbdd")], exports


@test("all can be known without connecting")
def _():
    h = negotiate()
    h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    h.set_full_info(True)
    h.opt_info()
    for can in (h.can_flush, h.can_fua, h.can_trim, h.can_zero, h.can_cache,
                h.can_fast_zero, h.can_multi_conn, h.can_df):
        assert can(), can
    assert not h.is_read_only() and not h.is_rotational()
    assert h.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    assert h.get_export_description() == "a disk served by vbdd"
    assert h.get_canonical_export_name() == ""
    assert h.get_block_size(nbd.SIZE_MINIMUM) == 1
    assert h.get_block_size(nbd.SIZE_MAXIMUM) == 32 * MIB
    h.opt_abort()


@test("contexts can be listed, and others than ours are not there")
def _():
    h = negotiate()
    found = []
    h.opt_list_meta_context(found.append)
    assert found == ["base:allocation"], found
    del found[:]
    h.add_meta_context("qemu:dirty-bitmap:one")
    assert h.opt_list_meta_context(found.append) == 0 and not found
    h.opt_go()
    assert not h.can_meta_context("qemu:dirty-bitmap:one")


@test("without structured replies there are none")
def _():
    h = negotiate(structured=False)
    h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    h.opt_go()
    assert not h.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    assert h.pread(512, 0)


@test("a client of the first newstyle is served")
def _():
    for flags in 0, nbd.HANDSHAKE_FLAG_NO_ZEROES:
        h = handle()
        h.set_handshake_flags(flags)
        h.connect_uri(uri)
        assert h.get_protocol() == "newstyle" and h.get_size() == 64 * MIB
        h.pwrite(b"oldest", 77)
        assert h.pread(6, 77) == b"oldest"


@test("a fixed newstyle client that wants no zeroes, or wants them")
def _():
    for flags in (nbd.HANDSHAKE_FLAG_FIXED_NEWSTYLE,
                  nbd.HANDSHAKE_FLAG_FIXED_NEWSTYLE |
                  nbd.HANDSHAKE_FLAG_NO_ZEROES):
        h = handle()
        h.set_handshake_flags(flags)
        h.connect_uri(uri)
        assert h.pread(6, 77) == b"oldest"


@test("TLS is refused, and a client that can do without is served")
def _():
    h = handle()
    h.set_tls(nbd.TLS_REQUIRE)
    try:
        h.connect_uri(uri)
    except nbd.Error:
        pass
    assert not h.aio_is_ready()
    h = handle()
    h.set_tls(nbd.TLS_ALLOW)
    h.connect_uri(uri)
    assert not h.get_tls_negotiated() and h.pread(6, 77) == b"oldest"


@test("what was asked before shutdown is answered")
def _():
    h = connect()
    answered = []
    for i in range(50):
        data = nbd.Buffer.from_bytearray(bytearray(b"s" * 4096))
        h.aio_pwrite(data, MIB + i * 4096,
                     lambda error: answered.append(error.value) or 1)
    h.shutdown()
    assert answered == [0] * 50, answered
    assert connect().pread(50 * 4096, MIB) == b"s" * 50 * 4096


@test("what is abandoned does no harm to others")
def _():
    h = connect()
    for i in range(50):
        h.aio_pread(nbd.Buffer(MIB), i * MIB)
    h.shutdown(nbd.SHUTDOWN_ABANDON_PENDING)
    assert connect().pread(50 * 4096, MIB) == b"s" * 50 * 4096
