# SPDX-License-Identifier: MIT
# Requests of one connection: what is wrong with some, and what comes of it.

h = connect()
SIZE = h.get_size()
h.pwrite(b"a" * 4096, 0)
h.pwrite(b"z" * 4096, SIZE - 4096)


def is_well():
    """Whatever was refused, the connection serves on, and nothing changed."""
    assert h.pread(4096, 0) == b"a" * 4096
    assert h.pread(4096, SIZE - 4096) == b"z" * 4096


def statuses(length, offset, flags=0):
    """Of what is from offset on: [length, flags, length, flags...]."""
    entries = []

    def extents(context, at, found, error):
        assert context == "base:allocation" and at == offset and not error.value
        entries.extend(found)
    h.block_status(length, offset, extents, flags)
    return entries


def chunks(length, offset, flags=0, client=None):
    """What a read is answered with, in the order of the answers."""
    found = []

    def chunk(data, at, status, error):
        found.append((at, len(data), status))
    data = (client or h).pread_structured(length, offset, chunk, flags)
    return data, found


@test("reads beyond the end fail with EINVAL")
def _():
    for offset in SIZE, SIZE - 1, SIZE + 4096, 1 << 62, (1 << 63) - 1:
        fails("EINVAL", h.pread, 2, offset)
    is_well()


@test("writes and zeroes beyond the end with ENOSPC")
def _():
    for offset in SIZE, SIZE - 1, 1 << 62, (1 << 63) - 1:
        fails("ENOSPC", h.pwrite, b"xx", offset)
        fails("ENOSPC", h.zero, 2, offset)
    fails("ENOSPC", h.pwrite, bytes(MIB), SIZE - MIB + 1)
    is_well()


@test("trims, hints and questions beyond the end with EINVAL")
def _():
    for offset in SIZE, SIZE - 1, 1 << 62:
        fails("EINVAL", h.trim, 2, offset)
        fails("EINVAL", h.cache, 2, offset)
        fails("EINVAL", statuses, 2, offset)
    is_well()


@test("what has no length fails with EINVAL, and a write of none, too")
def _():
    for request in h.trim, h.zero, h.cache, statuses:
        fails("EINVAL", request, 0, 4096)
    fails("EINVAL", h.pwrite, b"", 4096)
    is_well()


@test("flags that a request does not know fail with EINVAL")
def _():
    fails("EINVAL", h.pread, 512, 0, nbd.CMD_FLAG_REQ_ONE)
    fails("EINVAL", h.pwrite, b"x" * 512, 0, nbd.CMD_FLAG_DF)
    fails("EINVAL", h.pwrite, b"x" * 512, 0, nbd.CMD_FLAG_FAST_ZERO)
    fails("EINVAL", h.trim, 512, 0, nbd.CMD_FLAG_NO_HOLE)
    fails("EINVAL", h.zero, 512, 0, nbd.CMD_FLAG_DF)
    fails("EINVAL", h.pread, 512, 0, 1 << 15)
    is_well()


@test("FUA may come with each of them")
def _():
    h.pread(512, 0, 0)
    h.pwrite(b"a" * 512, 0, nbd.CMD_FLAG_FUA)
    h.trim(4096, MIB, nbd.CMD_FLAG_FUA)
    h.zero(4096, MIB, nbd.CMD_FLAG_FUA)
    h.cache(4096, MIB, nbd.CMD_FLAG_FUA)
    h.flush(nbd.CMD_FLAG_FUA)
    is_well()


@test("every byte can be written alone")
def _():
    h.zero(8192, 65536)
    for offset in 0, 511, 512, 4095, 4096, 8191:
        h.pwrite(b"x", 65536 + offset)
    data = h.pread(8192, 65536)
    assert [i for i in range(8192) if data[i]] == [0, 511, 512, 4095, 4096,
                                                   8191]


@test("zeroes leave no byte, and no neighbour")
def _():
    for flags in (0, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FUA):
        h.pwrite(b"n" * 65536, 131072)
        h.zero(12345, 131072 + 1, flags)
        data = h.pread(65536, 131072)
        assert data == b"n" + bytes(12345) + b"n" * (65536 - 12346)


@test("a zeroing that must be fast is done or refused, not half")
def _():
    h.pwrite(b"f" * 65536, 131072)
    try:
        h.zero(65536, 131072, nbd.CMD_FLAG_FAST_ZERO)
        assert h.pread(65536, 131072) == bytes(65536)
    except nbd.Error as error:
        assert error.errno == "ENOTSUP" or error.errno == "EOPNOTSUPP", error
        assert h.pread(65536, 131072) == b"f" * 65536


@test("a question is answered for its range, and REQ_ONE with one extent")
def _():
    h.zero(4 * MIB, 8 * MIB)
    for i in 0, 2:
        h.pwrite(b"d" * MIB, (8 + i) * MIB)
    hole = nbd.STATE_HOLE | nbd.STATE_ZERO
    assert statuses(4 * MIB, 8 * MIB)[:6] == [MIB, 0, MIB, hole, MIB, 0]
    one = statuses(4 * MIB, 8 * MIB, nbd.CMD_FLAG_REQ_ONE)
    assert one == [MIB, 0]
    assert statuses(3, 8 * MIB + 5, nbd.CMD_FLAG_REQ_ONE) == [3, 0]
    assert statuses(1, 9 * MIB - 1, nbd.CMD_FLAG_REQ_ONE) == [1, 0]


@test("a long read comes in several chunks")
def _():
    data, several = chunks(4 * MIB, 8 * MIB)
    assert len(several) > 1 and sum(size for _, size, _ in several) == 4 * MIB
    assert data == h.pread(4 * MIB, 8 * MIB)


@test("with DF in one, up to 64 KiB, or it fails with EOVERFLOW")
def _():
    for length in 1, 65536, 65537, 512 << 10, 32 * MIB:
        try:
            data, one = chunks(length, 8 * MIB + 1, nbd.CMD_FLAG_DF)
            assert len(one) == 1 and data == h.pread(length, 8 * MIB + 1)
        except nbd.Error as error:
            assert error.errno == "EOVERFLOW" and length > 65536, error
    is_well()


@test("32 MiB go in a request, both ways, at an odd place")
def _():
    data = os.urandom(MIB) * 32
    h.pwrite(data, 12345)
    assert h.pread(32 * MIB, 12345) == data
    h.pwrite(b"a" * 4096, 0)
    h.pwrite(b"z" * 4096, SIZE - 4096)


@test("a read of more fails with EINVAL")
def _():
    fails("EINVAL", h.pread, 32 * MIB + 1, 0)
    is_well()


@test("a write of more ends its connection, and nobody else's")
def _():
    other = connect()
    other.set_strict_mode(0)
    try:
        other.pwrite(bytes(32 * MIB + 1), 0)
    except nbd.Error:
        pass
    assert other.aio_is_dead() or other.aio_is_closed()
    is_well()


@test("hundreds in flight each have their own data")
def _():
    blocks = [os.urandom(1 + 97 * i % 20000) for i in range(500)]
    buffers = [nbd.Buffer.from_bytearray(bytearray(b)) for b in blocks]
    cookies = [h.aio_pwrite(b, i * 20011) for i, b in enumerate(buffers)]
    while h.aio_in_flight() > 0:
        h.poll(-1)
    assert all(h.aio_command_completed(c) for c in cookies)
    buffers = [nbd.Buffer(len(b)) for b in blocks]
    cookies = [h.aio_pread(b, i * 20011) for i, b in enumerate(buffers)]
    while h.aio_in_flight() > 0:
        h.poll(-1)
    assert all(h.aio_command_completed(c) for c in cookies)
    assert all(bytes(b.to_bytearray()) == d for b, d in zip(buffers, blocks))
    h.pwrite(b"a" * 4096, 0)


@test("without structured replies all is as well, but for what needs them")
def _():
    plain = handle()
    plain.set_request_structured_replies(False)
    plain.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    plain.connect_uri(uri)
    assert not plain.get_structured_replies_negotiated()
    assert not plain.can_df()
    assert not plain.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    data = os.urandom(MIB) * 32
    plain.pwrite(data, 54321)
    assert plain.pread(32 * MIB, 54321) == data
    fails("EINVAL", plain.pread, 1, SIZE)
    fails("ENOSPC", plain.pwrite, b"x", SIZE)
    fails("EINVAL", plain.pread, 512, 0, nbd.CMD_FLAG_DF)
    assert h.pread(32 * MIB, 54321) == data
    plain.pwrite(b"a" * 4096, 0)
    plain.pwrite(b"z" * 4096, SIZE - 4096)
    plain.shutdown()
    is_well()


@test("what one connection has written the others read")
def _():
    others = [connect() for _ in range(8)]
    for i, other in enumerate(others):
        other.pwrite(bytes([i + 1]) * 100, 50 * MIB + i * 100)
    wanted = b"".join(bytes([i + 1]) * 100 for i in range(8))
    for other in others:
        assert other.pread(800, 50 * MIB) == wanted
        other.shutdown()


@test("a read-only disk refuses every write with EPERM and reads on")
def _():
    reader = connect(os.environ["read_only"])
    before = reader.pread(MIB, 0)
    fails("EPERM", reader.pwrite, b"x" * 512, 0)
    fails("EPERM", reader.pwrite, bytes(2 * MIB), 0)
    fails("EPERM", reader.zero, 512, 0)
    fails("EPERM", reader.trim, 512, 0)
    reader.flush()
    assert reader.pread(MIB, 0) == before


@test("a fast answer does not wait for a slow one")
def _():
    slow = connect(os.environ["slow"])
    order = []

    def done(name):
        return lambda error: order.append(name) or 1
    write = nbd.Buffer.from_bytearray(bytearray(b"w" * 512))
    slow.aio_pwrite(write, 0, done("write"))
    slow.aio_pread(nbd.Buffer(512), 4096, done("read"))
    slow.aio_pread(nbd.Buffer(512), 0, done("read of what is written"))
    while slow.aio_in_flight() > 0:
        slow.poll(-1)
    assert order == ["read", "write", "read of what is written"], order


@test("an error of the disk is EIO, for the request that it hit alone")
def _():
    broken = connect(os.environ["broken"])
    fails("EIO", broken.pread, 512, 4 * MIB)
    fails("EIO", broken.pread, 2 * MIB, 3 * MIB)
    fails("EIO", broken.pwrite, b"x" * 512, 4 * MIB)
    assert broken.pread(MIB, 0) == bytes(MIB)


@test("it says where it was")
def _():
    broken = connect(os.environ["broken"])
    errors = []

    def chunk(data, at, status, error):
        if status == nbd.READ_ERROR:
            errors.append(at)
    fails("EIO", broken.pread_structured, 6 * MIB, 0, chunk)
    assert len(errors) == 1 and 3 * MIB <= errors[0] <= 4 * MIB, errors
