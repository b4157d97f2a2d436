#!/bin/bash
# SPDX-License-Identifier: MIT
# In dom0: a guest that writes all the time is saved, restored and migrated.
set -u
. /lab/checks.sh
migrations=$(cat /lab/rounds)

goes_on_as() { # NAME: under which the console of the guest's new domain is kept
  goes_on one 1 && is_not has_failed one 1
}
nr_said() { grep -c "$1" /tmp/vbdd.log; }

begin() {
  flow begin
  config one "$(line xvda /dev/vda)"
  xl create /tmp/one.cfg
  check "the guest boots" up one
  load one xvda 1 3
  check "three writers write" goes_on one 1
}

checkpoint() {
  flow save -c
  check "xl save -c succeeds" try xl save -c one /tmp/saved
  check "the guest writes on" goes_on_as one
  rm -f /tmp/saved
}

save_and_restore() {
  flow save, restore
  check "xl save succeeds" try xl save one /tmp/saved
  check "the guest has gone" is_not lives one
  check "vbdd has let its target go" wait_for 5 is_not serves /dev/vda
  check "what it has said to be acknowledged is on the target" \
    stampload check /dev/vda 1 $(acknowledged one 1)
  check "xl restore succeeds" try xl restore /tmp/saved
  check "the guest writes on" goes_on_as one
  rm -f /tmp/saved
}

migrate() { # ROUND
  local before
  flow "migrate localhost, $1"
  before=$(xl domid one)
  try xl migrate -s '' one 'xl migrate-receive'
  check "xl migrate succeeds ($1)" equal $status 0
  check "the guest is another domain, the only one, and writes on ($1)" eval \
    '[ "$(xl domid one)" != '"$before"' ] && [ "$(xl list | wc -l)" = 3 ] && goes_on_as one'
  check "the old one has left its disk ($1)" \
    wait_for 10 is_not serves "$before/xvda"
}

# The receiver takes what comes until the guest is suspended, and dies.
migrate_in_vain() {
  local before
  flow a migration that fails
  before=$(xl domid one)
  cat > /tmp/receiver <<'END'
#!/bin/bash
printf 'xl migration receiver ready, send binary domain data.\n'
exec 3<&0 # which a job in the background would not have
cat <&3 >/dev/null &
until [[ $(xl list one | awk 'NR == 2 {print $5}') = *s* ]]; do sleep 0.1; done
sleep 2
kill $!
END
  chmod +x /tmp/receiver
  try xl migrate -s '' one /tmp/receiver
  check "xl migrate fails, and says that the guest runs on here" \
    failed_with "[Rr]esum"
  check "the guest is the same domain, and writes on" eval \
    '[ "$(xl domid one)" = '"$before"' ] && goes_on_as one'
}

end() {
  flow end
  check "the writers end without having seen anything lost" eval \
    'end_load one 1 && is_not has_failed one 1'
  check "xl destroy succeeds" try xl destroy one
  check "vbdd lets the target go" wait_for 10 is_not serves /dev/vda
  echo "LAB: acknowledged: $(acknowledged one 1)"
  try stampload check /dev/vda 1 $(acknowledged one 1)
  check "all that was acknowledged is on the target, and nothing older" \
    says "$said" "192 blocks as acknowledged, 0 of them newer, 0 wrong"
  check "the disk was paused each time, and everything flushed" equal \
    "$(nr_said 'paused, with its writes on the disk')" $((migrations + 3))
}

start_vbdd
begin
checkpoint
save_and_restore
for round in $(seq "$migrations"); do migrate "$round"; done
migrate_in_vain
end
sed 's/^/LAB: xl log: /' /var/log/xen/xl-one*.log
check "vbdd ends cleanly" end_vbdd
finish
