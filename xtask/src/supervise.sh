# Keeps a server for as long as standard input is open. That is a pipe from xtask, which the kernel
# closes however xtask ends, so no server outlives it, even after kill -9.
#
# $1: the signal that stops the server. $2: the folder to remove afterwards. The rest: the server.
signal=$1 folder=$2
shift 2
cd "$folder" || exit 1
# Erlang needs time and memory for each possible descriptor, so "unlimited" is no better than too few.
ulimit -n 65536 2>/dev/null || :
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
(
    cat <&3 >/dev/null
    kill -s "$signal" "$server"
    sleep 10
    kill -s KILL "$server"
) 2>/dev/null &
exec 3<&-
wait "$server"
# What the server has started is in our group, and so are we.
cd /
rm -rf "$folder"
kill -s KILL 0
