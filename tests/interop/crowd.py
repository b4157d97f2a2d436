# SPDX-License-Identifier: MIT
# As many as may come at a time, and one more.


@test("sixteen are served, and one more when one has left")
def _():
    clients = [connect() for _ in range(16)]
    try:
        connect()
        raise AssertionError("a seventeenth was served")
    except nbd.Error:
        pass
    assert all(c.pread(6, 77) == b"oldest" for c in clients)
    for c in clients:
        c.shutdown()
    assert connect().pread(6, 77) == b"oldest"
