# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A disk's NBD socket beside other servers of the same file, $work/disk.img:
# qemu-nbd and qemu-storage-daemon, with O_DIRECT as ours, and nbdkit's file
# plugin, which has nothing but the host's page cache: its reads come from memory
# sooner or later, its writes are in memory when they are answered, and before
# each turn of anybody what it left there is written and dropped.
#
# In each round every server has its turn with each load, the first one another
# each time; what is printed are medians of ratios within rounds, so that what
# else goes on here weighs on all alike, and their spread. Environment:
#
#   OTHERS   servers ("qemu-nbd storage-daemon nbdkit")
#   ROUNDS   of each load (5)
#   SIZE     of the file (256M)
. "$top_srcdir/tests/interop/lib.sh" || exit 99
needs qemu-nbd qemu-storage-daemon nbdkit
rounds=${ROUNDS:-5} size=${SIZE:-256M}
results=$work/results # lines of LOAD ROUND SERVER RATE CPU
: >"$results"

# --- the servers: uris[NAME], server_pids[NAME] -----------------------------

declare -A uris server_pids
random "$work/disk.img" "$size"
serve() { # NAME COMMAND...
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    pids+=($!)
    server_pids[$name]=$!
    uris[$name]="nbd+unix:///?socket=$work/$name.sock"
    wait_for test -S "$work/$name.sock" || bail "$name did not start"
}
start_servers() {
    start_platform || bail "the platform did not start"
    disk 1 "$work/disk.img"
    uris[vbdd]=$uri
    server_pids[vbdd]=$(shown worker)
    serve qemu-nbd qemu-nbd -t -e 16 --image-opts -k "$work/qemu-nbd.sock" \
        --cache=none --aio=native --discard=unmap \
        "driver=raw,file.driver=file,file.locking=off,file.filename=$target"
    serve storage-daemon qemu-storage-daemon \
        --blockdev "driver=file,node-name=file,filename=$target,locking=off,cache.direct=on,aio=native" \
        --blockdev driver=raw,node-name=disk,file=file,cache.direct=on \
        --nbd-server "addr.type=unix,addr.path=$work/storage-daemon.sock" \
        --export type=nbd,id=disk,node-name=disk,name=,writable=on
    serve nbdkit nbdkit -f -U "$work/nbdkit.sock" file "$target"
}
# shellcheck disable=SC2206
servers=(vbdd ${OTHERS:-qemu-nbd storage-daemon nbdkit})

# --- one turn ---------------------------------------------------------------

cpu_us() { # of all of a process's threads
    local stat
    read -r stat <"/proc/$1/stat"
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    echo $(((${12} + ${13}) * 10000))
}
# No turn pays for what another one has left in the page cache.
settle() {
    sync "$target"
    dd if="$target" iflag=nocache count=0 status=none
}
# timed SERVER LOAD ROUND COMMAND...: a line of results from what COMMAND prints:
# requests a second, and how many there were
timed() {
    local server=$1 before said
    settle
    before=$(cpu_us "${server_pids[$server]}")
    said=$("${@:4}") || bail "$server failed: $said"
    awk -v turn="$2 $3 $server" -v said="$said" -v before="$before" \
        -v after="$(cpu_us "${server_pids[$server]}")" 'BEGIN {
            split(said, figure, " ")
            print turn, figure[1], (after - before) / figure[2]
        }' >>"$results"
}

# --- the table --------------------------------------------------------------

# LOAD: what the rounds have shown; a ratio over 1 is in our favour
summary() {
    awk -v load="$1" '
        function median(list, n,    i, j, x) {
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
                    x = list[j]; list[j] = list[j - 1]; list[j - 1] = x
                }
            return (list[int((n + 1) / 2)] + list[int(n / 2) + 1]) / 2
        }
        $1 == load { rate[$3, $2] = $4; cpu[$3, $2] = $5; n = $2; seen[$3] }
        END {
            for (name in seen) {
                for (i = 1; i <= n; i++) {
                    rates[i] = rate[name, i]
                    times[i] = cpu[name, i]
                    ratios[i] = rate["vbdd", i] / rate[name, i]
                }
                printf "%-17s %-15s %9.0f/s %7.1f us CPU", load, name,
                    median(rates, n), median(times, n)
                if (name != "vbdd") {
                    printf "  vbdd is %.2f times as fast", median(ratios, n)
                    printf " (%.2f to %.2f)", ratios[1], ratios[n]
                }
                printf "\n"
            }
        }' "$results" | sort -k 2,2 -r | sed 's/^/# /'
}

# all_rounds TURN LOAD...: TURN SERVER LOAD is what timed() times.
all_rounds() {
    local load round i nr=${#servers[@]} server
    for load in "${@:2}"; do
        for ((round = 1; round <= rounds; round++)); do
            for ((i = 0; i < nr; i++)); do
                server=${servers[(round + i) % nr]}
                timed "$server" "$load" $round "$1" "$server" "$load"
            done
        done
        summary "$load"
    done
}
