# Keeps a server for as long as standard input is open. That is a pipe from xtask, which the kernel
# closes however xtask ends, so no server outlives it, even after kill -9.
#
# $1: the signal that stops the server. $2: the folder to remove afterwards. $3: `again` if a server
# that dies is to be started again, as an orchestrator does. The rest: the server.
signal=$1 folder=$2 again=$3
shift 3
cd "$folder" || exit 1
# Erlang needs time and memory for each possible descriptor, so "unlimited" is no better than too few.
ulimit -n 65536 2>/dev/null || :
exec 3<&0 </dev/null
(
    cat <&3 >/dev/null
    : >stopping
    kill -s "$signal" "$(cat running)"
    sleep 10
    kill -s KILL "$(cat running)"
) 2>/dev/null &
exec 3<&-
while :; do
    "$@" &
    server=$!
    echo "$server" >running
    wait "$server"
    [ "$again" = again ] && [ ! -e stopping ] || break
    # The one before is still leaving: its memory, its port, its name.
    sleep 0.2
done
# What the server has started is in our group, and so are we.
cd /
rm -rf "$folder"
kill -s KILL 0
