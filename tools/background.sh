# Programs that quickstart starts and leaves running: a pid file each under .tools/run/, with the time the process began, so that
# a number that the system gave to another process since is not taken for ours. Sourced after tools/common.sh.

VK_RUN=$VK_TOOLS/run
mkdir -p "$VK_RUN"

run_set() { printf '%s\n' "$2" >"$VK_RUN/$1"; }
run_get() { cat "$VK_RUN/$1" 2>/dev/null || printf '%s\n' "$2"; }

# When process $1 began, in ticks since the machine did. Its name may hold blanks and brackets.
process_began() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
background_pid() { cut -d' ' -f1 "$VK_RUN/$1.pid" 2>/dev/null; }
background_alive() {
  local pid began
  read -r pid began 2>/dev/null <"$VK_RUN/$1.pid" || return 1
  [ -n "$pid" ] && [ -n "$began" ] && [ "$(process_began "$pid")" = "$began" ]
}
# Its program was built again since it started.
background_is_old() { case $(readlink "/proc/$(background_pid "$1")/exe" 2>/dev/null) in *' (deleted)') return 0 ;; esac; return 1; }

# background_start NAME LOG COMMAND…: in a session of its own, so that closing the terminal or Ctrl-C does not end it.
background_start() {
  local name=$1 log=$2 pid
  shift 2
  setsid "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  # setsid forks when it leads its group; the number is kept when it does not, as in a subshell without job control.
  sleep 0.1
  printf '%s %s\n' "$pid" "$(process_began "$pid")" >"$VK_RUN/$name.pid"
}

# background_wait NAME LOG SECONDS COMMAND…: until COMMAND succeeds.
background_wait() {
  local name=$1 log=$2 end
  end=$(($(date +%s) + $3))
  shift 3
  until "$@"; do
    if ! background_alive "$name"; then
      echo "it ended by itself; its last words:"
      tail -n 15 "$log"
      return 1
    fi
    if [ "$(date +%s)" -ge "$end" ]; then
      echo "it did not answer in time; its last words:"
      tail -n 15 "$log"
      return 1
    fi
    sleep 0.1
  done
}

# background_stop NAME TITLE: false when it does not run.
background_stop() {
  local pid i
  if ! background_alive "$1"; then
    rm -f "$VK_RUN/$1.pid"
    return 1
  fi
  pid=$(background_pid "$1")
  # valetkey ends its own children; an app's group goes as a whole.
  if [ "$1" = daemon ]; then kill -TERM "$pid" 2>/dev/null; else kill -TERM -- "-$pid" 2>/dev/null; fi
  for i in $(seq 100); do
    background_alive "$1" || break
    sleep 0.1
  done
  background_alive "$1" && kill -KILL -- "-$pid" 2>/dev/null
  rm -f "$VK_RUN/$1.pid"
  say "Stopped $2."
}
