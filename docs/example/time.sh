# Stands in for time that passes, so that the first hour takes a minute. In earnest there is nothing of this.
# The clock of all parties is the file `clock`: decimal Unix seconds, replaced atomically.

START=1803859200 # start of period 0, as in draft.txtpb
PERIOD=3600
LOOK=61 # longer than poll_seconds in verifier.toml

set_clock() {
    echo "$1" >clock.new
    mv clock.new clock
}

field() { sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p"; }

# Wait until what verifier vera holds of each log is all that the party has said.
look() {
    set_clock $(($(cat clock) + LOOK))
    for party in alpha beta chipco gridco; do
        said=$(standstill node status --dir "$party" --json | field size)
        until standstill audit status --profile auditor --json |
            grep -q "\"party\": \"$party\", \"origin\": \"[^\"]*\", \"leaves\": $said,"; do
            sleep 0.1
        done
    done
}

# Let period $1 end: vera closes it, the labs and gridco speak of it, vera takes that in.
hour() {
    set_clock $((START + PERIOD * ($1 + 1) + 30))
    until standstill audit status --profile auditor --json | grep -q "\"closed_period\": $1,"; do
        sleep 0.1
    done
    for party in alpha beta gridco; do
        until standstill node status --dir "$party" >/dev/null; do
            sleep 0.1
        done
    done
    look
}

# Wait until the file $1 is there.
await() {
    until [ -e "$1" ]; do
        sleep 0.1
    done
}
