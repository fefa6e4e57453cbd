# The job script of jobs/backends/script.py, which tells what it does and fills in the words between at signs.
umask 007
control=@CONTROL@ cwd=@CWD@ out=@STDOUT@ err=@STDERR@ in=@STDIN@ mark=@MARK@ wall=@WALL@ grace=@GRACE@
[ -d "$control" ] || mkdir -p "$control" 2>/dev/null
mkdir "$control/@FENCE@" 2>/dev/null || { [ -d "$control/@FENCE@" ] && exit @REFUSED@; exit @UNREACHABLE@; }
# No builtin of sh tells the date, and a program is dear; the kernel's own clock, in hundredths, counts from there.
ticks() { read -r up _ < /proc/uptime; ticks=$((${up%.*} * 100 + 1${up#*.} - 100)); }
now() { ticks; now=$((began + (ticks - first) / 100)); }
ticks
part=$control/.exit.part cause= message= code=null signal=null peak=0 began=$(date +%s) first=$ticks
printf '%@ROOM@s' '' > "$part" || exit @UNREACHABLE@

finish() {
    [ ! -s "$control/.cause" ] || read -r cause < "$control/.cause"
    [ ! -s "$control/.peak" ] || read -r peak < "$control/.peak"
    [ ! -s "$control/.message" ] || read -r message < "$control/.message"
    now
    printf '{"exit_code": %s, "signal": %s, "cause": "%s", "message": "%s", "started_at": %s, "ended_at": %s, "peak_memory_mb": %s}' \
        "$code" "$signal" "$cause" "$message" "$began" "$now" "$((peak / 1024))" 1<> "$part"
    sync "$part" 2>/dev/null
    mv -f "$part" "$control/@EXIT_FILE@"
    exit "$1"
}
stuck() { cause=not_started message=$1; finish 127; }
# What has ended has no environment any more, also while nobody has asked how it ended.
marked() { grep -lsF "@VARIABLE@=$mark" /proc/[0-9]*/environ 2>/dev/null; }
all_get() { for one in $(marked); do one=${one#/proc/}; kill "-$1" "${one%/*}" 2>/dev/null; done; }
end_all() {
    all_get TERM
    left=$((grace * 10))
    while [ "$left" -gt 0 ] && [ -n "$(marked)" ]; do sleep 0.1; left=$((left - 1)); done
    all_get KILL
}
because() { [ -s "$control/.cause" ] || echo "$1" > "$control/.cause"; }
asked() {
    [ -z "$ending" ] || return 0
    # The site signals the command as well, so it may be over by now; if it ended well, it did.
    [ ! -s "$control/.status" ] || [ "$(cat "$control/.status")" != 0 ] || return 0
    because cancelled
    end_all & ending=$!
}
memory() {
    sum=0
    for one in $(marked); do
        while read -r key value _; do [ "$key" != VmRSS: ] || sum=$((sum + value)); done < "${one%environ}status"
    done 2>/dev/null
    [ "$sum" -le "$most" ] || { most=$sum; echo "$most" > "$control/.peak"; }
}
watch() {
    most=0 pause=1 nap=
    trap 'kill $nap 2>/dev/null; exit' TERM
    # A signal may come before the trap is set: without its script it has nothing to watch.
    while kill -0 "$$" 2>/dev/null && [ ! -e "$control/@EXIT_FILE@" ]; do
        if [ "$wall" -gt 0 ]; then
            now
            left=$((began + wall - now))
            [ "$left" -gt 0 ] || { because wall_time; end_all; exit; }
            [ "$pause" -le "$left" ] || pause=$left
        fi
        sleep "$pause" & nap=$!
        wait "$nap"
        memory
        [ "$pause" -ge 10 ] || pause=$((pause + 1))
    done
}

ending=
trap asked TERM INT XCPU USR2
trap '' HUP USR1
cd "$cwd" 2>/dev/null || stuck 'The work directory is not there on the node'
for stream in "$out" "$err"; do [ ! -L "$stream" ] || stuck 'A log is a link'; done
[ -r "$in" ] || stuck 'The standard input is not there on the node'
(
    trap : TERM INT XCPU USR2
@ENVIRONMENT@
@SETUP@
    export @VARIABLE@="$mark"
    set -- @ARGV@
    command -v -- "$1" >/dev/null 2>&1 || { because not_started; echo 'No such program on the node' > "$control/.message"; exit; }
    "$@" < "$in" >> "$out" 2>@ERR@
    echo $? > "$control/.status"
) &
command=$!
watch &
watcher=$!
while kill -0 "$command" 2>/dev/null; do wait "$command"; done
kill "$watcher" $ending 2>/dev/null
all_get KILL
status=137
[ ! -s "$control/.status" ] || read -r status < "$control/.status"
if [ "$status" -gt 128 ] && [ "$status" -le 192 ]; then signal=$((status - 128)); else code=$status; fi
finish "$status"
