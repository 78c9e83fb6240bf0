# Stands in for time that passes, so that the first hour takes a minute. In earnest there is nothing of this.
# The clock of all parties is the file `clock`: decimal Unix seconds, replaced atomically.

START=1803859200 # start of period 0, as in draft.txtpb
PERIOD=3600
LOOK=61 # longer than poll_seconds in verifier.toml

set_clock() {
    echo "$1" >clock.new
    mv clock.new clock
}

# What the node of party $1 has logged; waits until it owes nothing.
said() {
    until standing=$(standstill node status --dir "$1" --json); do
        sleep 0.1
    done
    echo "$standing" | sed -n 's/.*"size": \([0-9]*\).*/\1/p'
}

# Wait until the verifier's answer holds every pattern.
await_status() {
    while sleep 0.1; do
        found=$(standstill audit status --profile auditor --json) || true
        for pattern in "$@"; do
            echo "$found" | grep -q "$pattern" || continue 2
        done
        return
    done
}

# Wait until vera holds all that every party has said.
look() {
    set_clock $(($(cat clock) + LOOK))
    set --
    for party in alpha beta chipco gridco; do
        set -- "$@" "\"party\": \"$party\", \"origin\": \"[^\"]*\", \"leaves\": $(said $party),"
    done
    await_status "$@"
}

# Let period $1 end: vera closes it, the labs and gridco speak of it, vera takes that in.
hour() {
    set_clock $((START + PERIOD * ($1 + 1) + 30))
    await_status "\"closed_period\": $1,"
    look
}

# Wait until the file $1 is there.
await() {
    until [ -e "$1" ]; do
        sleep 0.1
    done
}
